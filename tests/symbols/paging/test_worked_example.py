"""The worked example in the documentation of paging is a page as it is written."""

import re

from symbolon_server.symbols import paging, reading
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.paging.contents import PageContents
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
