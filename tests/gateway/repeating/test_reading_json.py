"""The fast reader of JSON reads what Python's own does, and as the same."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from symbolon import InvalidReportError
from symbolon_server.gateway.reading import _LARGE_BYTES, load_json

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=6),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(
            st.sampled_from(["jobs", "stacks", "memoryMap", "x"]), children, max_size=3
        )
    ),
    max_leaves=12,
)


def read_by_python(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return InvalidReportError


def read(body: bytes) -> Any:
    try:
        return load_json(body)
    except InvalidReportError:
        return InvalidReportError


def assert_same(body: bytes) -> None:
    # A large one is decoded in steps.
    for whole in (body, b" " * _LARGE_BYTES + body, body + b" " * _LARGE_BYTES):
        # NaN is unequal to itself, and 1 equal to True.
        assert repr(read(whole)) == repr(read_by_python(whole))


@given(values, st.booleans())
@example({"jobs": [{"stacks": [[[0, 2**64], [1, -0.0]]]}]}, False)
@example({"jobs": {"stacks": 1}}, False)
@example({"stacks": {"jobs": [1]}}, True)
def test_any_document_is_read_as_python_reads_it(value: Any, is_ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii)
    assert_same(text.encode(errors="surrogatepass"))


@given(values, st.integers(0, 60), st.binary(max_size=2))
def test_any_damage_is_seen_as_python_sees_it(value: Any, place: int, new: bytes) -> None:
    body = json.dumps(value).encode()
    assert_same(body[:place] + new + body[place + 1 :])


@pytest.mark.parametrize(
    "body",
    [
        b'{"stacks": [[[0, NaN]], [[0, -Infinity]]]}',
        b'{"stacks": [[[0, 1e999]]]}',
        b'{"jobs": [], "jobs": [{"stacks": []}]}',
        b'{"stacks": ["\\ud800"]}',
        '{"stacks": [1]}'.encode("utf-16"),
        b'\xef\xbb\xbf{"stacks": [1]}',
        b'{"stacks": [[[0, 1]]]} 2',
        b'{"stacks": [[[0, 01]]]}',
        b"1" * 5_000,
        b"[" * 3_000 + b"]" * 3_000,
        b'{"jobs": [' * 2_000 + b"]}" * 2_000,
    ],
)
def test_oddities_are_read_as_python_reads_them(body: bytes) -> None:
    assert_same(body)
