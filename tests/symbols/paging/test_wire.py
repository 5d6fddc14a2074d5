"""Answers as bytes against the generated messages."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from symbolon.v1 import stack_pb2
from symbolon.v1.symbolication_service_pb2 import SymbolicateResponse
from symbolon_server.symbols.ground.answers import Answer, InlineAnswer
from symbolon_server.symbols.paging import api_frames, wire
from symbolon_server.symbols.paging.writer import write_pages
from tests.fixtures.paging import decode_pages
from tests.symbols.read_texts import INGEST, read
from tests.symbols.symbol_texts import CROWDED, HUGE, ODD, symbol_files

texts = st.one_of(st.text(max_size=5), st.text(min_size=127, max_size=129), st.just("n" * 20_000))
uint32s = st.one_of(st.integers(0, 300), st.integers(0, 2**32 - 1))
uint64s = st.one_of(st.integers(0, 300), st.integers(0, 2**64 - 1))
inline_frames = st.builds(stack_pb2.InlineFrame, function=texts, file=texts, line=uint32s)
frames = st.builds(
    stack_pb2.SymbolicatedFrame,
    module=texts,
    module_offset=uint64s,
    function=texts,
    function_offset=uint64s,
    file=texts,
    line=uint32s,
    inlines=st.lists(inline_frames, max_size=3),
    outcome=st.sampled_from(stack_pb2.FrameOutcome.values()),
    is_multiple=st.booleans(),
    function_size=uint64s,
)


@settings(deadline=None)
@given(frames)
def test_a_frame_is_encoded_like_its_message(frame: stack_pb2.SymbolicatedFrame) -> None:
    answer = api_frames.answer_fields(
        frame.function.encode(),
        frame.file.encode(),
        frame.line,
        [(inline.function.encode(), inline.file.encode(), inline.line) for inline in frame.inlines],
        is_multiple=frame.is_multiple,
        function_size=frame.function_size,
    )
    encoded = api_frames.frame(
        api_frames.module_field(frame.module.encode()),
        frame.module_offset,
        frame.outcome,
        answer,
        frame.function_offset,
    )
    expected = stack_pb2.SymbolicatedStack(frames=[frame])
    assert stack_pb2.SymbolicatedStack.FromString(encoded) == expected
    assert len(encoded) == expected.ByteSize()
    assert api_frames.function_of(encoded) == frame.function.encode()


@settings(deadline=None)
@given(uint64s, st.booleans())
def test_a_request_frame_is_encoded_like_its_message(offset: int, is_return_address: bool) -> None:
    frame = stack_pb2.Frame(module_offset=offset, is_return_address=is_return_address)
    assert api_frames.asked_frame(offset, is_return_address) == frame.SerializeToString()


@settings(deadline=None)
@given(st.integers(0, 2**14 - 1), uint64s, st.booleans())
def test_a_request_frame_is_read_like_its_message(
    index: int, offset: int, is_return_address: bool
) -> None:
    frame = stack_pb2.Frame(
        module_index=index, module_offset=offset, is_return_address=is_return_address
    )
    encoded = frame.SerializeToString()
    start = 2 if index < 128 else 3
    assert api_frames.read_asked_frame(encoded) == (start, index, offset, is_return_address)
    assert api_frames.read_asked_frame(encoded[: start - 1]) is None


@settings(deadline=None)
@given(st.lists(st.sampled_from(b"\x00\x01\x02\x05\x08\x10\x18\x7f\x80\xff"), max_size=14))
@example(list(b"\x08\x00\x10\x85\x00"))
@example(list(b"\x08\x00\x10\x00"))
@example(list(b"\x08\x00\x10" + b"\xff" * 9 + b"\x02"))
@example(list(b"\x08\x00\x10" + b"\xff" * 9 + b"\x01"))
@example(list(b"\x08\x00\x18\x00"))
def test_a_request_frame_in_a_rare_form_is_not_read(octets: list[int]) -> None:
    encoded = bytes(octets)
    read = api_frames.read_asked_frame(encoded)
    if read is not None:
        start, index, offset, is_return_address = read
        assert encoded[start:] == api_frames.asked_frame(offset, is_return_address)
        frame = stack_pb2.Frame.FromString(encoded)
        assert frame.HasField("module_index")
        assert (frame.module_index, frame.module_offset) == (index, offset)
        assert frame.is_return_address is is_return_address


@settings(deadline=None)
@given(uint64s)
def test_a_varint_has_seven_bits_a_byte(number: int) -> None:
    encoded = wire.varint(number)
    assert sum((byte & 0x7F) << 7 * place for place, byte in enumerate(encoded)) == number
    assert [byte >> 7 for byte in encoded] == [1] * (len(encoded) - 1) + [0]
    assert len(encoded) == max(-(-number.bit_length() // 7), 1)


@settings(max_examples=100, deadline=None)
@given(symbol_files(CROWDED, ODD, HUGE))
def test_the_encoded_answers_of_a_page_equal_its_answers(text: bytes) -> None:
    for page in decode_pages(write_pages(read(text), "1-0", INGEST, page_weight=20)):
        for row in range(len(page.range_start)):
            answer, encoded = page.answer(row), page.encoded_answer(row)
            assert (answer is None) == (encoded is None)
            if answer is None or encoded is None:
                continue
            function_start, fields = encoded
            frame = stack_pb2.SymbolicatedFrame.FromString(fields)
            assert answer == Answer(
                frame.function,
                function_start,
                frame.file,
                frame.line,
                tuple(InlineAnswer(i.function, i.file, i.line) for i in frame.inlines),
                frame.is_multiple,
            )
            assert answer.function_size == frame.function_size


@given(st.integers(1, 7), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_the_outcome_of_a_frame_is_read_from_its_end(
    outcome: int, module_offset: int, function_offset: int
) -> None:
    fields = api_frames.answer_fields(b"f", b"f.c", 1, [], is_multiple=True, function_size=8)
    frame = api_frames.frame(b"", module_offset, outcome, fields, function_offset)
    assert api_frames.outcome_of(frame) == outcome


@given(st.lists(frames, max_size=3))
def test_a_stack_begins_with_the_length_of_its_frames(
    frames: list[stack_pb2.SymbolicatedFrame],
) -> None:
    stack = stack_pb2.SymbolicatedStack(frames=frames)
    encoded = stack.SerializeToString()
    expected = SymbolicateResponse(stacks=[stack]).SerializeToString()
    assert api_frames.stack_start(len(encoded)) + encoded == expected
