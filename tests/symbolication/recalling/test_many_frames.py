"""The frames of a request read as columns, against protobuf and against decoding each."""

from itertools import pairwise

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from symbolon.v1 import stack_pb2
from symbolon_server.symbolication.memory.queries import FrameQuery
from symbolon_server.symbolication.recalling.recall import read_index, what_is_asked
from symbolon_server.symbolication.recalling.recall_many import ManyFrames, read_many_frames
from symbolon_server.symbols.paging import wire
from tests.symbolication.conftest import encode

INDEXES = (0, 1, 8, 10, 0x10, 0x18, 127, 128, 129, 1_000, 1_290, 16_383)
OFFSETS = (0, 1, 8, 10, 0x10, 0x18, 0x0A08, 1 << 28, 1 << 34, 1 << 35, 2**64 - 1)

frames = st.builds(
    lambda *frame: encode(FrameQuery(*frame)),
    st.sampled_from(INDEXES),
    st.sampled_from(OFFSETS) | st.integers(0, 2**40),
    st.booleans(),
)
odd_frames = st.sampled_from(
    [
        b"",
        b"\x08",
        b"\x08\x05",
        b"\x10\x05",
        b"\x08\x85\x00",
        b"\x08\x80\x80\x01\x10\x05",
        b"\x10\n",
    ]
) | st.binary(max_size=18)


def encode_stack(frames_of_stack: list[bytes]) -> bytes:
    return b"".join(wire.message_field(1, frame) for frame in frames_of_stack)


def split(many: ManyFrames) -> list[list[bytes]]:
    """Return the frames of each stack."""
    bounds = [0, *many.ends.tolist()]
    return [[many.frame(number) for number in range(start, end)] for start, end in pairwise(bounds)]


def check_columns(many: ManyFrames) -> None:
    """Hold what is known of each frame against its bytes, where it has a module index."""
    assert len(many) == len(many.module_indexes) == len(many.asked) == len(many.asked_lengths)
    for number in range(len(many)):
        frame = many.frame(number)
        asked = int(many.asked[number])
        if read_index(frame) < 0:
            assert asked == 0 or len(frame) < 2
            continue
        assert many.module_indexes[number] == read_index(frame)
        expected = what_is_asked(frame)
        assert many.asked_lengths[number] == len(expected)
        assert asked == (int.from_bytes(expected, "little") if len(expected) <= 8 else 0)


@given(st.lists(st.lists(frames, max_size=30), max_size=5))
def test_what_clients_write_is_read(stacks: list[list[bytes]]) -> None:
    many = read_many_frames([encode_stack(stack) for stack in stacks])
    if not any(stacks):
        assert many is None
        return
    assert many is not None
    assert split(many) == stacks
    check_columns(many)


@given(st.lists(st.lists(frames | odd_frames, max_size=8), max_size=4))
def test_odd_frames_are_read_as_they_are_or_not_at_all(stacks: list[list[bytes]]) -> None:
    many = read_many_frames([encode_stack(stack) for stack in stacks])
    if many is not None:
        assert split(many) == stacks
        check_columns(many)


pieces = st.sampled_from([b"\n", b"\x08", b"\n\x04\x08", b"\n\x00\x08", b"\n\n\x08\x08\x10"])


@given(st.lists(st.lists(pieces | st.binary(max_size=3), max_size=12).map(b"".join), max_size=4))
def test_other_bytes_are_read_as_protobuf_does_or_not_at_all(stacks: list[bytes]) -> None:
    many = read_many_frames(stacks)
    if many is None:
        return
    for stack, found in zip(stacks, split(many), strict=True):
        try:
            message = stack_pb2.Stack.FromString(stack)
        except DecodeError:
            continue  # one of its frames is malformed: that is found when it is looked up
        assert len(message.frames) == len(found)
        assert encode_stack(found) == stack


def test_a_frame_of_ten_bytes_of_module_eight_looks_like_two_and_is_one() -> None:
    frame = encode(FrameQuery(8, 0x12345678, True))
    assert len(frame) == 10
    many = read_many_frames([encode_stack([frame] * 3)] * 2)
    assert many is not None
    assert split(many) == [[frame] * 3] * 2


def test_a_stack_that_ends_within_a_frame_is_not_read() -> None:
    whole = encode_stack([encode(FrameQuery(1, 2, True))] * 2)
    assert read_many_frames([whole]) is not None
    assert read_many_frames([whole[:-3], whole[-3:]]) is None
    assert read_many_frames([whole, whole[:-1]]) is None


@pytest.mark.parametrize("stacks", [[], [b""], [b"", b""]], ids=["none", "empty", "empty ones"])
def test_no_frame_is_nothing_to_read(stacks: list[bytes]) -> None:
    assert read_many_frames(stacks) is None
