"""Counting the fields of an encoded request, compared with decoding it."""

from itertools import chain

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from symbolon.v1 import module_pb2, stack_pb2
from symbolon.v1 import symbolication_service_pb2 as pb
from symbolon_server.rpc.symbolicate.field_counts import MOST_OTHERS, count_fields, count_request

MANY = 10**6


def encoded_modules() -> st.SearchStrategy[bytes]:
    return st.builds(module_pb2.Module, debug_file=st.text(max_size=200)).map(
        lambda module: pb.SymbolicateRequest(modules=[module]).SerializeToString()
    )


def encoded_stacks() -> st.SearchStrategy[bytes]:
    frames = st.builds(stack_pb2.Frame, module_offset=st.integers(0, 2**64 - 1))
    few = st.lists(frames, max_size=3)
    stacks = st.tuples(few, st.sampled_from([0, 1, 3, 400])).map(
        lambda pair: stack_pb2.Stack(frames=pair[0] * pair[1])
    )
    return stacks.map(lambda stack: pb.SymbolicateRequest(stacks=[stack]).SerializeToString())


OTHERS = st.sampled_from(
    [
        b"\x1a\x00",  # max_wait
        b"\x20\x01",  # with_diagnostics
        b"\x92\x00\x03\x8a\x00\x00",  # a stack with unusually long tags
        b"\x92\x80\x00\x82\x00\x0a\x00",  # and with a long length
        b"\x7d1234",  # fixed-size numbers with an unknown field number
        b"\x7912345678",
        b"\x78\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    ]
)


@pytest.mark.promise("Refusing a compressed bomb takes bounded time and memory")
@given(
    st.lists(st.one_of(encoded_modules(), encoded_stacks(), OTHERS), max_size=8),
    st.sampled_from([1, 300]),
)
def test_counts_are_those_of_the_message_that_would_be_built(
    pieces: list[bytes], times: int
) -> None:
    data = b"".join(pieces * times)
    built = pb.SymbolicateRequest.FromString(data)
    frames = sum(len(stack.frames) for stack in built.stacks)
    counts = count_request(data, MANY, max(frames, len(built.stacks)))
    if counts.others <= MOST_OTHERS:
        assert (counts.modules, counts.stacks) == (len(built.modules), len(built.stacks))
        assert counts.frames in (0, frames)
    if frames:
        counts = count_request(data, MANY, frames - 1)
        assert max(counts.frames, counts.stacks) >= frames or counts.others > MOST_OTHERS


@given(st.binary(max_size=300), st.integers(0, 50))
def test_whatever_is_counted_as_no_more_than_the_limit_has_no_more(data: bytes, most: int) -> None:
    try:
        built = pb.SymbolicateRequest.FromString(data)
    except DecodeError:
        return
    counts = count_request(data, most, most)
    if max(counts.modules, counts.stacks, counts.frames) <= most:
        frames = chain.from_iterable(stack.frames for stack in built.stacks)
        assert max(len(built.modules), len(built.stacks), len(list(frames))) <= most


def test_fields_are_counted_no_further_than_to_the_limit() -> None:
    endless = b"\x0a\x00" * MANY
    assert 10_000 < count_fields(endless, 10_000) < 11_000
    assert count_fields(endless, MANY) == MANY
