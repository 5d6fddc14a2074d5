"""The sample module, in every form that a target needs."""

from functools import cache
from pathlib import Path

from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import IngestFacts, PagedModule
from symbolon_server.symbols.paging.directory import encode_directory
from symbolon_server.symbols.paging.writer import write_pages
from symbolon_server.symbols.reading.reader import SymbolFileReader
from symbolon_server.symbols.reading.symbol_table import SymbolTable

MODULE_ID = ModuleId.parse("orchard", "C3D8E3C7B6594DF1DFCA907993B477250")
MODULE_RECORD = b"MODULE Linux x86_64 C3D8E3C7B6594DF1DFCA907993B477250 orchard\n"

SYMBOLS_FOLDER = Path(__file__).parents[1] / "data/sample/symbols"
_FACTS = IngestFacts("fuzz", 0.0, 0.0, 0)
_GENERATION = "fuzz"

_EVERY_RECORD = b"""INFO CODE_ID C7E3D8C3 orchard
FILE 0 a.c
FILE 18446744073709551616 b.c
INLINE_ORIGIN 0 f
INLINE_ORIGIN 1 0 g
PUBLIC m 10 0 before
FUNC m 1000 40 8 outer
INLINE 0 5 0 0 1000 20 1030 8
INLINE 1 6 0 1 1008 8
INLINE 0 7 1 1010 4
1000 8 1 0
1008 8 2 7
0x1020 10 3 0
FUNC 1020 40 0 overlaps
FUNC ffffffffffffff00 fe 0 last
ffffffffffffff00 fe 4294967295 0
STACK CFI INIT 1000 40 .cfa: $rsp 8 +
PUBLIC 2000 0 after
"""


@cache
def sample_text() -> bytes:
    """Return the sample's symbol file."""
    path = SYMBOLS_FOLDER / MODULE_ID.debug_file / MODULE_ID.debug_id / MODULE_ID.symbol_file_name
    return path.read_bytes()


def symbol_texts() -> list[bytes]:
    """Return symbol files of the sample module."""
    return [
        sample_text(),
        MODULE_RECORD + _EVERY_RECORD,
        (MODULE_RECORD + _EVERY_RECORD).replace(b"\n", b"\r\n"),
    ]


def read_table(text: bytes) -> SymbolTable:
    """Return the reader's table of a text; raise what the reader raises."""
    reader = SymbolFileReader(MODULE_ID)
    reader.feed(text)
    return reader.finish()


@cache
def paged_modules() -> list[PagedModule]:
    """Return the pages of the sample module, and of others with its name."""
    return [write_table(read_table(text), weight) for text in symbol_texts() for weight in (8, 500)]


def write_table(table: SymbolTable, page_weight: int) -> PagedModule:
    """Return the pages of a table."""
    return write_pages(table, _GENERATION, _FACTS, page_weight)


def encoded_directories() -> list[bytes]:
    """Return page directories as they are stored."""
    return [encode_directory(MODULE_ID, module.directory) for module in paged_modules()]
