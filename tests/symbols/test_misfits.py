"""Pages and directories whose checksum is right and whose contents do not fit each other."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from symbolon_server.symbols.answers import Answer, InlineAnswer
from symbolon_server.symbols.directory_format import decode_directory, encode_directory
from symbolon_server.symbols.errors import DamagedPageError
from symbolon_server.symbols.page_reader import Page
from symbolon_server.symbols.page_writer import write_pages
from tests.symbols.misfits import OWNER, START, page
from tests.symbols.reading import FUNCTION, INGEST, read_records
from tests.symbols.symbol_texts import MODULE_ID


def test_what_is_changed_below_is_right_as_it_is() -> None:
    expected = Answer("outer", START, "a.c", 5, (InlineAnswer("inner", "a.c", 7),), False, False)
    assert Page.decode(OWNER, page()).find(START) == expected


MISFITS = {
    "a chain that is around itself": page(chain_around=[0]),
    "a chain that is around one before the first": page(chain_around=[2]),
    "a range in a chain that is not there": page(range_chain=[-5]),
    "a range of a symbol that is not there": page(range_symbol=[9]),
    "a symbol that starts behind its range": page(symbol_start=[1]),
    "a name that is not there": page(name=[0, -9]),
    "a file that is not there": page(name_file=[9, 9]),
    "a file whose number has 64 bits": page(name_file=[2**63, 2**63]),
    "a text that is longer than all texts": page(text_length=[5, 5, 2**40]),
    "a text whose length has 64 bits": page(text_length=[2**63, 2**63, 13]),
    "a text that is no UTF-8": page((b"out\xffr", b"inner", b"a.c")),
    "a text that ends in the middle of a character": page((b"oute\xc3", b"\xa9nner", b"a.c")),
}


@pytest.mark.timeout(10)
@pytest.mark.parametrize("data", MISFITS.values(), ids=list(MISFITS))
def test_a_page_that_does_not_fit_itself_is_damaged(data: bytes) -> None:
    with pytest.raises(DamagedPageError):
        Page.decode(OWNER, data).encoded_answer(0)
    with pytest.raises(DamagedPageError):
        Page.decode(OWNER, data).answer(0)


@pytest.mark.parametrize("texts", [("é".encode(), b"inner", b"a.c"), (b"", "é".encode(), b"")])
def test_texts_that_are_no_ascii_are_read(texts: Sequence[bytes]) -> None:
    data = page(texts, text_length=[len(text) for text in texts])
    found = Page.decode(OWNER, data).find(START)
    assert found is not None
    assert (found.function, found.inlines[0].function) == (texts[0].decode(), texts[1].decode())


def spoilt(facts: Any = None, ingest: Any = None, **changed: Any) -> bytes:
    """Return a page directory, some of it changed behind the back of its checksum."""
    directory = write_pages(read_records(FUNCTION), "1-0", INGEST).directory
    directory = replace(
        directory,
        facts=replace(directory.facts, **facts or {}),
        ingest=replace(directory.ingest, **ingest or {}),
        **changed,
    )
    return encode_directory(MODULE_ID, directory)


SPOILT = {
    "a name that is none": spoilt(facts={"module_name": 5}),
    "bad records that have no kinds": spoilt(facts={"skipped_records": [1]}),
    "bad records that cannot be counted": spoilt(facts={"skipped_records": {"func": "many"}}),
    "functions that cannot be counted": spoilt(facts={"functions": None}),
    "an ingest at no time": spoilt(ingest={"finished_at": "yesterday"}),
    "an ingest of no age": spoilt(ingest={"as_of": "3"}),
    "a generation that is none": spoilt(generation=1),
    "pages that begin before those before them": spoilt(
        first_offsets=np.array([16, 32, 24], np.uint64)
    ),
}


def test_a_directory_that_is_not_spoilt_is_read() -> None:
    assert decode_directory(MODULE_ID, spoilt()).facts.functions == 1


@pytest.mark.parametrize("data", SPOILT.values(), ids=list(SPOILT))
def test_a_directory_of_other_kinds_than_it_says_is_damaged(data: bytes) -> None:
    with pytest.raises(DamagedPageError):
        decode_directory(MODULE_ID, data)
