"""Pages whose checksum is right and whose numbers do not fit each other."""

from collections.abc import Sequence

import pytest

from symbolon_server.symbols.answers import Answer, InlineAnswer
from symbolon_server.symbols.errors import DamagedPageError
from symbolon_server.symbols.page_reader import Page
from tests.symbols.misfits import OWNER, START, page


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
