"""Does once in a worker what each of its forks would otherwise have to do first."""

from random import Random
from typing import Final

from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import IngestFacts
from symbolon_server.symbols.paging.directory import decode_directory, encode_directory
from symbolon_server.symbols.paging.writer import new_generation, write_pages
from symbolon_server.symbols.reading.reader import SymbolFileReader

_MODULE_ID: Final = ModuleId.parse("warm.so", "0" * 33)

_SYMBOL_FILE: Final = b"""\
MODULE Linux x86_64 000000000000000000000000000000000 warm.so
FILE 0 warm.c
INLINE_ORIGIN 0 inlined
FUNC 10 20 0 outer
INLINE 0 2 0 0 18 8
10 8 1 0
18 8 7 0
20 10 3 0
PUBLIC 40 0 _Z6publicv
"""
"""One record of each kind that is read."""


def warm_up() -> None:
    """Read and write a module in memory.

    Parts of numpy are imported at their first use, and code is slow the first time it runs.
    What a fork inherits warm it does not do again: half of its time for a small module.
    """
    reader = SymbolFileReader(_MODULE_ID)
    reader.feed(_SYMBOL_FILE)
    facts = IngestFacts(supplier="", finished_at=0.0, seconds=0.0, fetched_bytes=0)
    generation = new_generation(Random(0))  # noqa: S311 - it is no secret
    module = write_pages(reader.finish(), generation, facts)
    decode_directory(_MODULE_ID, encode_directory(_MODULE_ID, module.directory))
