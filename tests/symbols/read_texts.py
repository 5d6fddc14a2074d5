"""Reading symbol files in tests."""

from collections.abc import Callable, Iterator

from symbolon_server.symbols.ground.answers import Answer
from symbolon_server.symbols.ground.pages import IngestFacts, PagedModule
from symbolon_server.symbols.paging.directory import decode_directory, encode_directory
from symbolon_server.symbols.reading.reader import SymbolFileReader
from symbolon_server.symbols.reading.symbol_table import SymbolTable
from tests.fixtures.paging import decode_pages
from tests.symbols.model import END, Model
from tests.symbols.symbol_texts import MODULE_ID, MODULE_RECORD

INGEST = IngestFacts("tests", 0.0, 0.0, 0)

FUNCTION = b"FUNC 1000 10 0 f"
LINE = b"1000 10 5 0"
FILE = b"FILE 0 a.c"


def read(text: bytes) -> SymbolTable:
    """Return the table of a symbol file given in one piece."""
    return SymbolFileReader(MODULE_ID).read([text])


def read_records(*records: bytes) -> SymbolTable:
    """Return the table of a symbol file with `records` after its MODULE record."""
    return read(b"\n".join([MODULE_RECORD, *records, b""]))


def answer(table: SymbolTable, offset: int = 0x1000) -> Answer:
    """Return the answer at `offset`, which must have one."""
    found = table.find(offset)
    assert found is not None
    return found


def place(table: SymbolTable, offset: int = 0x1000) -> tuple[str, str, int]:
    """Return function, file and line at `offset`."""
    found = answer(table, offset)
    return found.function, found.file, found.line


def skipped(*records: bytes) -> dict[str, int]:
    """Return the number of bad `records` by kind."""
    return dict(read_records(*records).facts.skipped_records)


def answers(table: SymbolTable) -> list[tuple[int, Answer | None]]:
    """Return all answers of `table`: the start and the answer of each range."""
    starts = table.ranges.start.tolist()
    return [(start, table.find(start)) for start in starts]


def offsets_of_interest(model: Model) -> Iterator[int]:
    """Yield offsets where answers may change, and their neighbours, within 64 bits."""
    near = {0, 1, END, END - 1}
    for span in model.spans:
        near.update((span.start - 1, span.start, span.start + 1))
        near.update((span.start + span.size - 1, span.start + span.size))
    return (offset for offset in sorted(near) if 0 <= offset <= END)


def find_in_pages(module: PagedModule) -> Callable[[int], Answer | None]:
    """Return a lookup that decodes the directory and the pages as from a store."""
    directory = decode_directory(MODULE_ID, encode_directory(MODULE_ID, module.directory))
    pages = decode_pages(module)

    def find(offset: int) -> Answer | None:
        number = directory.find_page(offset)
        return None if number is None else pages[number].find(offset)

    return find
