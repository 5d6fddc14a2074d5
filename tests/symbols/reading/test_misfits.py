"""Inconsistent pages and directories with correct checksums."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from symbolon_server.symbols.ground.answers import Answer, InlineAnswer
from symbolon_server.symbols.ground.errors import DamagedPageError
from symbolon_server.symbols.ground.pages import ModuleFacts
from symbolon_server.symbols.paging.directory import (
    MARK,
    decode_directory,
    directory_owner,
    encode_directory,
)
from symbolon_server.symbols.paging.envelope import seal, unseal
from symbolon_server.symbols.paging.reader import Page
from symbolon_server.symbols.paging.writer import write_pages
from tests.symbols.read_texts import FUNCTION, INGEST, read_records
from tests.symbols.reading.misfits import OWNER, START, page
from tests.symbols.symbol_texts import MODULE_ID


def test_the_unchanged_page_is_valid() -> None:
    expected = Answer("outer", START, "a.c", 5, (InlineAnswer("inner", "a.c", 7),), False, False)
    assert Page.decode(OWNER, page()).find(START) == expected


MISFITS = {
    "a chain that is around itself": page(chain_around=[0]),
    "a chain that is around one before the first": page(chain_around=[2]),
    "a range in a chain that is not there": page(range_chain=[-5]),
    "a range of a symbol that is not there": page(range_symbol=[9]),
    "a symbol that starts behind its range": page(symbol_start=[1]),
    "a name that is not there": page(name=[0, 9]),
    "a name that would be counted from the last": page(name=[0, 3]),
    "a file before the first": page(name_file=[0, 0], range_file=[-1]),
    "a line below 0": page(range_line=[-8]),
    "a line below 0 at a call": page(chain_call_line=[-1]),
    "a line of 33 bits": page(range_line=[2**32]),
    "a line of 65 bits": page(name_line=[5, 2**64 - 1], range_line=[2**62]),
    "a symbol above the highest": page(range_symbol=[7]),
    "a file that is not there": page(name_file=[9, 9]),
    "a file whose number has 64 bits": page(name_file=[2**63, 2**63]),
    "a text too few": page((b"outer", b"inner")),
    "a text too many": page((b"outer", b"inner", b"a.c", b"b.c")),
    "a text that is no UTF-8": page((b"out\xffr", b"inner", b"a.c")),
    "a text that ends in the middle of a character": page((b"oute\xc3", b"\xa9nner", b"a.c")),
}


@pytest.mark.promise("Arbitrary bytes break none of the readers")
@pytest.mark.timeout(10)
@pytest.mark.parametrize("data", MISFITS.values(), ids=list(MISFITS))
def test_an_inconsistent_page_is_damaged(data: bytes) -> None:
    with pytest.raises(DamagedPageError):
        Page.decode(OWNER, data).encoded_answer(0)
    with pytest.raises(DamagedPageError):
        Page.decode(OWNER, data).answer(0)


@pytest.mark.parametrize("texts", [("é".encode(), b"inner", b"a.c"), (b"", "é".encode(), b"")])
def test_texts_beyond_ascii_are_read(texts: Sequence[bytes]) -> None:
    found = Page.decode(OWNER, page(texts)).find(START)
    assert found is not None
    assert (found.function, found.inlines[0].function) == (texts[0].decode(), texts[1].decode())


def directory(**changed: Any) -> bytes:
    """Return a page directory with some changes."""
    written = write_pages(read_records(FUNCTION), "1-0", INGEST).directory
    return encode_directory(MODULE_ID, replace(written, **changed))


def spoilt(old: bytes, new: bytes) -> bytes:
    """Return a page directory with some texts changed under a correct checksum."""
    owner = directory_owner(MODULE_ID)
    content = unseal(MARK, owner, directory())
    assert content.count(old) == 1
    return seal(MARK, owner, content.replace(old, new.ljust(len(old))))


SPOILT = {
    "texts that are no list": spoilt(b'["1-0"', b'{"1":0'),
    "a name that is not a text": spoilt(b'"x86_64"', b"5"),
    "a generation that is not a text": spoilt(b'"1-0"', b"1"),
    "a text too few": spoilt(b'"x86_64", ', b""),
    "a text too many": spoilt(b'"x86_64"', b'"", ""'),
    "a flag that is not one": spoilt(b"true", b"1"),
    "notes that are no list": spoilt(b"[], true", b"{}, true"),
    "a note that is not a text": spoilt(b"[], true", b"[5], 1"),
    "bad records that have no kinds": spoilt(b"{}", b"[]"),
    "bad records that cannot be counted": directory(
        facts=ModuleFacts("", "", "", "", 0, 0, 0, {"func": "many"})  # type: ignore[dict-item]
    ),
    "pages that begin before those before them": directory(
        first_offsets=np.array([16, 32, 24], np.uint64)
    ),
    "two pages that begin at one offset": directory(first_offsets=np.array([16, 16], np.uint64)),
}


def test_the_unchanged_directory_is_read() -> None:
    assert decode_directory(MODULE_ID, directory()).facts.functions == 1


def test_a_truncated_directory_is_damaged() -> None:
    owner = directory_owner(MODULE_ID)
    content = unseal(MARK, owner, directory())
    for end in range(len(content)):
        with pytest.raises(DamagedPageError):
            decode_directory(MODULE_ID, seal(MARK, owner, content[:end]))


@pytest.mark.promise("A page that contradicts itself is replaced, even if its checksum is right")
@pytest.mark.parametrize("data", SPOILT.values(), ids=list(SPOILT))
def test_an_inconsistent_directory_is_damaged(data: bytes) -> None:
    with pytest.raises(DamagedPageError):
        decode_directory(MODULE_ID, data)
