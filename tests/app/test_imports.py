import os
import subprocess
import sys

from tests.app.conftest import ROOT

WHAT_A_WORKER_HAS = """
import sys
import symbolon_server.__main__
import symbolon_server.app.programs.worker_command
print(*sorted(name for name in sys.modules if name.partition(".")[0] == "grpc"))
"""


def test_a_worker_has_no_grpc_in_it_which_would_hang_in_its_forks() -> None:
    path = os.pathsep.join([str(ROOT / "client"), str(ROOT / "server")])
    said = subprocess.run(
        [sys.executable, "-c", WHAT_A_WORKER_HAS],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        check=True,
        text=True,
    )
    assert said.stdout.split() == []
