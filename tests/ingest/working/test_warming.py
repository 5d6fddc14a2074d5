"""After warming up, forks of a worker import nothing."""

import subprocess
import sys
from pathlib import Path

from tests.ingest.symbol_files import numbered_module, symbol_file

PROGRAM = """
import sys
from symbolon_server.ingest.working.ingest import Ingest
from tests.fixtures.memory_store import MemoryPageStore
from symbolon_server.ingest.working.worker import warm_up
from symbolon_server.suppliers.chain import SupplierChain
from symbolon_server.suppliers.directory import DirectorySupplier
from symbolon_server.symbols.ground.asked_modules import AskedModule
from pathlib import Path
from tests.ingest.symbol_files import numbered_module

ingest = Ingest(SupplierChain([DirectorySupplier(Path(sys.argv[1]))]), MemoryPageStore(1 << 20))
warm_up()
before = set(sys.modules)
assert ingest.run(AskedModule(numbered_module(0)), [0]).failure is None
print(sorted(set(sys.modules) - before))
"""


def test_an_ingest_after_warming_up_imports_nothing(tmp_path: Path) -> None:
    module_id = numbered_module(0)
    path = tmp_path / module_id.debug_file / module_id.debug_id / module_id.symbol_file_name
    path.parent.mkdir(parents=True)
    path.write_bytes(symbol_file(module_id, 1_000))
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        env={"PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == "[]\n"
