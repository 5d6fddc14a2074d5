"""Bytes as a symbol file: read in pieces of any size, written as pages, and read again."""

from symbolon_server.symbols.ground.errors import MalformedSymbolFileError
from symbolon_server.symbols.reading.reader import SymbolFileReader
from symbolon_server.symbols.reading.symbol_table import SymbolTable
from tests.fuzz.samples import MODULE_ID, MODULE_RECORD, symbol_texts
from tests.fuzz.tables import check_table
from tests.fuzz.target import Target

_PIECES = (1, 7, 64, 1 << 20)
_BLOCKS = (32, 256, 1 << 20)
_WEIGHTS = (10, 100, 6144)


def take(data: bytes) -> None:
    """Read `data`, whose first byte says how, and compare the pages with the table."""
    how, text = (data[0], data[1:]) if data else (0, b"")
    if how & 0x80:
        text = MODULE_RECORD + text
    try:
        table = _read(how, text)
    except MalformedSymbolFileError:
        return
    check_table(table, _WEIGHTS[(how >> 4) % len(_WEIGHTS)])


def _read(how: int, text: bytes) -> SymbolTable:
    piece, block = _PIECES[how % len(_PIECES)], _BLOCKS[(how >> 2) % len(_BLOCKS)]
    reader = SymbolFileReader(MODULE_ID, block, max_record_bytes=4 * block, resolve_records=block)
    for start in range(0, len(text), piece):
        reader.feed(text[start : start + piece])
    return reader.finish()


def _seeds() -> list[bytes]:
    ways = (0x00, 0x15, 0x2A, 0x0F)
    whole = [bytes([way]) + text for text in symbol_texts() for way in ways]
    bare = [
        bytes([way | 0x80]) + text.partition(b"\n")[2] for text in symbol_texts() for way in ways
    ]
    return whole + bare


TARGET = Target(take, _seeds, longest=16_384)
