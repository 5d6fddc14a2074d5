"""The worked example in the documentation of paging is a page as it is written."""

import re

import pytest

from symbolon_server.symbols import paging, reading
from symbolon_server.symbols.ground.errors import DamagedPageError
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.paging.contents import PageContents
from symbolon_server.symbols.paging.layout import HEADER, NONE_CODE
from symbolon_server.symbols.paging.reader import Page
from symbolon_server.symbols.reading.reader import SymbolFileReader

_BYTES = re.compile(r"^    ((?:[0-9a-f]{2} +)+)", re.MULTILINE)


def test_the_worked_example_matches_the_writer() -> None:
    assert paging.__doc__ is not None
    assert reading.__doc__ is not None
    lines = re.findall(r"^    (?!0x)(\S.*?)(?:   .*)?$", reading.__doc__, re.MULTILINE)
    text = "\n".join(lines).encode() + b"\n"
    table = SymbolFileReader(ModuleId("a.so", "0" * 33)).read([text])
    contents = PageContents(table)
    [(_, written)] = contents.write(contents.cut(1_000))
    shown = "".join(_BYTES.findall(paging.__doc__.replace("\n", "  \n")))
    assert written == bytes.fromhex(shown)


@pytest.mark.parametrize("more", [b"x", b"\n", b"a.c\n"])
def test_a_page_without_texts_ends_with_its_columns(more: bytes) -> None:
    columns = 14
    gap = HEADER.pack(0x1000, 1, 0, 0, 0, 0) + bytes([1] * columns) + bytes([0, NONE_CODE, 2, 0, 0])
    assert Page.read(gap).encoded_answer(0) is None
    with pytest.raises(DamagedPageError):
        Page.read(gap + more)
