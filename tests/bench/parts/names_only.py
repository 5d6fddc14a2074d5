"""What was kept of a module before there were pages: the names of its functions, all at once.

The layout of 2021: one hash per module from module offset to name, and a list of the offsets,
which a lookup searches for the one at or below its own.
"""

import mmap
import re
from collections.abc import Iterator

import redis

from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.bench.world.symbol_files import SymbolFile

_RECORD = re.compile(
    rb"^(?:FUNC (?:m )?([0-9a-f]+) [0-9a-f]+|PUBLIC (?:m )?([0-9a-f]+)) [0-9a-f]+ ([^\r\n]*)",
    re.MULTILINE,
)
_BATCH = 1_000


def read_names(file: SymbolFile) -> dict[int, bytes]:
    """Return the name at each offset where a function or public symbol starts."""
    names: dict[int, bytes] = {}
    with (
        file.path.open("rb") as opened,
        mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ) as text,
    ):
        for function, public, name in _RECORD.findall(text):
            names.setdefault(int(function or public, 16), name)
    return names


def put_names(store: redis.Redis, module_id: ModuleId, names: dict[int, bytes]) -> None:
    """Put a module's names as they were put in 2021."""
    offsets = sorted(names)
    for batch in _batches(offsets):
        store.hset(f"names:{module_id}", mapping={str(offset): names[offset] for offset in batch})
        store.rpush(f"offsets:{module_id}", *(str(offset) for offset in batch))


def _batches(offsets: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(offsets), _BATCH):
        yield offsets[start : start + _BATCH]
