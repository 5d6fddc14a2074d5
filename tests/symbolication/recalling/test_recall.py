"""Frames recalled by their bytes, one by one and all at once, against decoding each of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from symbolon_server.rpc.symbolicate.request import decode_frame
from symbolon_server.symbolication.memory.queries import FrameQuery, InvalidFrameError, ModuleQuery
from symbolon_server.symbolication.memory.server_memory import ServerMemory
from symbolon_server.symbolication.recalling.recall import Recall
from symbolon_server.symbolication.recalling.recall_many import read_many_frames, recall_many
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import IngestFacts, ModuleFacts, PageDirectory
from symbolon_server.symbols.paging import api_frames, wire
from tests.symbolication.conftest import encode

MODULES = 400
OFFSETS = (0, 1, 0x08, 0x10, 0x18, 127, 128, 0x1234567, 2**64 - 1)
INDEXES = (0, 1, 5, 0x08, 0x10, 0x18, 127, 128, 130, 255, 256, 383, 399, 400, 20_000)
NOT_HELD = 130
WITHOUT_ID = 5


def module_id(index: int) -> ModuleId:
    return ModuleId(f"lib{index}.so", f"{index:033X}")


def answer(index: int, offset: int, is_return_address: bool) -> bytes:
    """Return what is remembered of a frame: no two have the same."""
    return f"{index} {offset} {is_return_address}".encode()


def queries() -> list[ModuleQuery]:
    """Return modules of which one cannot be asked for."""
    return [
        ModuleQuery(f"lib{index}.so", None if index == WITHOUT_ID else module_id(index))
        for index in range(MODULES)
    ]


def held_modules() -> ServerMemory:
    """Return what remembers all `OFFSETS` of all modules but one."""
    held = ServerMemory(1 << 26)
    facts = ModuleFacts("Linux", "x86_64", "lib.so", "", 0, 0, 0, {})
    for index in {*range(MODULES)} - {NOT_HELD}:
        ingest = IngestFacts("", 0.0, 0.0, 0)
        directory = PageDirectory(f"1-{index}", facts, ingest, 0, np.zeros(0, np.uint64))
        module = held.put_module(module_id(index), directory)
        asked = [(offset, flag) for offset in OFFSETS for flag in (False, True)]
        held.frames.put_many(
            module.frames,
            [(api_frames.asked_frame(*frame), answer(index, *frame)) for frame in asked],
        )
    return held


HELD = held_modules()

frames = st.builds(
    lambda *frame: encode(FrameQuery(*frame)),
    st.sampled_from([-1, *INDEXES]),
    st.sampled_from(OFFSETS),
    st.booleans(),
)
fields = st.one_of(
    st.builds(wire.number_field, st.sampled_from([1, 2, 3, 4]), st.sampled_from(INDEXES[1:])),
    st.sampled_from([b"\x08\x85\x00", b"\x08\x80\x81\x00", b"\x18\x00", b"\x10\x00", b"\x08"]),
)
odd_frames = st.one_of(st.lists(fields, max_size=4).map(b"".join), st.binary(max_size=6))


def model(frame: bytes) -> bytes | None:
    """Return the answer of a frame, found by decoding it."""
    try:
        query = decode_frame(frame)
    except InvalidFrameError:
        return None
    if query.module_index in {NOT_HELD, WITHOUT_ID} or not 0 <= query.module_index < MODULES:
        return None
    if query.module_offset not in OFFSETS:
        return None
    return answer(query.module_index, query.module_offset, query.is_return_address)


@given(st.lists(st.lists(frames, max_size=20), max_size=3))
def test_frames_of_clients_are_recalled(stacks: list[list[bytes]]) -> None:
    recall = Recall(HELD, queries())
    found = [recall.find_all(stack) for stack in stacks]
    assert found == [[model(frame) for frame in stack] for stack in stacks]
    named = {decode_frame(frame).module_index for stack in stacks for frame in stack}
    assert set(recall.used) == named & {*range(MODULES)} - {NOT_HELD, WITHOUT_ID}


@given(st.lists(frames | odd_frames, max_size=10))
def test_odd_frames_are_recalled_as_what_they_ask_or_not_at_all(stack: list[bytes]) -> None:
    for frame, found in zip(stack, Recall(HELD, queries()).find_all(stack), strict=True):
        assert found in (None, model(frame))


def encode_stacks(stacks: list[list[bytes]]) -> list[bytes]:
    return [b"".join(wire.message_field(1, frame) for frame in stack) for stack in stacks]


def expected_pieces(stacks: list[list[bytes]]) -> bytes | None:
    """Return the response's stacks, None where a frame is not remembered."""
    answers = [[model(frame) for frame in stack] for stack in stacks]
    if any(answer is None for stack in answers for answer in stack):
        return None
    encoded = [b"".join(answer or b"" for answer in stack) for stack in answers]
    return b"".join(api_frames.stack_start(len(stack)) + stack for stack in encoded)


def check_recalled_at_once(stacks: list[list[bytes]], *, is_usual: bool) -> None:
    """Ask twice, so that the second time most is found in the columns."""
    many = read_many_frames(encode_stacks(stacks))
    expected = expected_pieces(stacks)
    if many is None:
        assert not is_usual or not any(stacks)
        return
    for _ in range(2):
        recall = Recall(HELD, queries())
        found = recall_many(recall, HELD.frames.columns, many)
        if found is None:
            assert expected is None or not is_usual
        else:
            assert b"".join(found.pieces) == expected
            assert found.length == sum(len(model(frame) or b"") for s in stacks for frame in s)
            assert set(recall.used) == {decode_frame(f).module_index for s in stacks for f in s}


indexed_frames = st.builds(
    lambda *frame: encode(FrameQuery(*frame)),
    st.sampled_from([index for index in INDEXES if index not in {WITHOUT_ID, NOT_HELD}][:-2]),
    st.sampled_from(OFFSETS),
    st.booleans(),
)


@given(st.lists(st.lists(indexed_frames, max_size=40), max_size=4))
def test_many_remembered_frames_are_recalled_at_once(stacks: list[list[bytes]]) -> None:
    check_recalled_at_once(stacks, is_usual=True)


@given(st.lists(st.lists(frames | odd_frames | indexed_frames, max_size=10), max_size=3))
def test_many_odd_frames_are_recalled_as_one_by_one_or_not_at_all(
    stacks: list[list[bytes]],
) -> None:
    check_recalled_at_once(stacks, is_usual=False)
