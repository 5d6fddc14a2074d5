"""Bytes as what the library makes of a native file, and as the beginning of one."""

import importlib
from functools import cache

from symbolon_server.symbols.ground.errors import MalformedSymbolFileError
from symbolon_server.symbols.native.reader import read_symcache
from tests.debug_files.mills import MILLS
from tests.fuzz.tables import check_table
from tests.fuzz.target import Target
from tests.symbols.native.symcaches import FACTS

_WEIGHTS = (10, 100, 6144)
_IS_DEMANGLED = 1


def take(data: bytes) -> None:
    """Read `data`, whose first byte says how, as a SymCache, and compare pages with the table."""
    how, cache = (data[0], data[1:]) if data else (0, b"")
    try:
        table = read_symcache(cache, FACTS, are_demangled=bool(how & _IS_DEMANGLED))
    except MalformedSymbolFileError:
        return
    check_table(table, _WEIGHTS[(how >> 1) % len(_WEIGHTS)])


@cache
def _symcaches() -> list[bytes]:
    """Return the caches of the committed native files."""
    symbolic = importlib.import_module("symbolic")
    return [
        part.make_symcache().open_stream().read()
        for path in sorted({mill.path for mill in MILLS})
        for part in symbolic.Archive.open(str(path)).iter_objects()
    ]


def _seeds() -> list[bytes]:
    return [bytes([how]) + cache for how, cache in enumerate(_symcaches())]


TARGET = Target(take, _seeds, longest=16_384)
