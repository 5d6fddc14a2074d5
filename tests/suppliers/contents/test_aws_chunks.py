"""Removing the framing of uploads that some S3 stores keep."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbolon_server.suppliers.contents.aws_chunks import FIRST_LINE_BYTES, is_framed, unframe
from symbolon_server.suppliers.contents.errors import BrokenSymbolFileError, CutSymbolFileError
from tests.suppliers.contents.aws_framing import SIGNATURE, frame


def split(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


@given(
    parts=st.lists(st.binary(max_size=300), min_size=1, max_size=4),
    chunk_bytes=st.integers(1, 400),
    is_signed=st.booleans(),
    size=st.integers(1, 500),
)
def test_framing_is_removed_whatever_the_pieces(
    parts: list[bytes], chunk_bytes: int, is_signed: bool, size: int
) -> None:
    framed = b"".join(frame(part, chunk_bytes, is_signed=is_signed) for part in parts)
    assert is_framed(framed[:FIRST_LINE_BYTES])
    assert b"".join(unframe(split(framed, size))) == b"".join(parts)


def test_a_file_without_signatures_is_unframed() -> None:
    """As reported of a store that did not know after a restart what it had framed."""
    body = b'{"bar":"baz","foo":"bar"}'
    stored = b"19%b\r\n%b\r\n0%b\r\n" % (SIGNATURE, body, SIGNATURE)
    assert b"".join(unframe([stored])) == body


@pytest.mark.parametrize("is_signed", [True, False])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_truncation_before_the_last_chunk_is_detected(is_signed: bool, size: int) -> None:
    framed = frame(b"MODULE Linux" * 3, 10, is_signed=is_signed)
    last_chunk = framed.rindex(b"\r\n0") + len(b"\r\n")
    for length in range(1, last_chunk):
        with pytest.raises(CutSymbolFileError, match=r"^its aws-chunked framing is truncated"):
            b"".join(unframe(split(framed[:length], size)))


@pytest.mark.parametrize("is_signed", [True, False])
def test_a_truncation_after_the_last_chunk_loses_nothing(is_signed: bool) -> None:
    framed = frame(b"text", is_signed=is_signed)
    last_chunk_end = framed.index(b"\r\n", framed.rindex(b"\r\n0") + 2) + 2
    for length in range(last_chunk_end, len(framed)):
        assert b"".join(unframe([framed[:length]])) == b"text"


@pytest.mark.parametrize(
    "framed",
    [
        b"4\r\ntext and more\r\n0\r\n\r\n",
        b"4\r\ntext\r\nMODULE\r\n",
        b"4\r\ntext\r\n" + b"4" * 2000,
        b"4\r\ntext\r\n-1\r\n",
    ],
)
def test_invalid_framing_is_damage(framed: bytes) -> None:
    with pytest.raises(BrokenSymbolFileError, match=r"^its aws-chunked framing is damaged$"):
        b"".join(unframe([framed]))


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"M",
        b"MODULE Linux\r\n",
        b"\r\n",
        b"F",
        b"FACE",
        b"4\n",
        b"4;x=1\r\n",
        b"0" * 17 + b"\r\n",
    ],
)
def test_unframed_text_is_not_taken_for_framing(start: bytes) -> None:
    assert not is_framed(start)
