"""Frames of the API as bytes, without protobuf messages: the one place with their field numbers.

A response repeats few distinct frames many times. Each is encoded once and remembered; a response
is then put together by joining bytes. Encoding with protobuf messages takes five times as long.

The field numbers belong to the API, in `protos/`. They stand on this floor because the page
reader is the lowest that encodes answers, and floors import only from those below them. The tests
compare them with the generated messages.
"""

from typing import Final

from symbolon_server.symbols.paging.wire import (
    LAST_OF_BYTE,
    LENGTH_DELIMITED,
    MORE,
    NUMBER,
    bytes_field,
    message_start,
    number_field,
    read_varint,
    tag,
    varint,
)


class FrameField:
    """Fields of `symbolon.v1.SymbolicatedFrame`."""

    MODULE: Final = 1
    MODULE_OFFSET: Final = 2
    FUNCTION: Final = 3
    FUNCTION_OFFSET: Final = 4
    FILE: Final = 5
    LINE: Final = 6
    INLINES: Final = 7
    OUTCOME: Final = 8
    IS_MULTIPLE: Final = 9
    FUNCTION_SIZE: Final = 10
    LINKAGE_NAME: Final = 11


class InlineField:
    """Fields of `symbolon.v1.InlineFrame`."""

    FUNCTION: Final = 1
    FILE: Final = 2
    LINE: Final = 3
    LINKAGE_NAME: Final = 4


class AskedField:
    """Fields of `symbolon.v1.Frame`."""

    MODULE_INDEX: Final = 1
    MODULE_OFFSET: Final = 2
    IS_RETURN_ADDRESS: Final = 3


STACKS: Final = 1
"""Field of `symbolon.v1.SymbolicateResponse`."""

FRAMES: Final = 1
"""Field of `symbolon.v1.SymbolicatedStack`."""

_WIRE_TYPE: Final = 7
"""The bits of a tag that say how its value is written."""

_FUNCTION: Final = tag(FrameField.FUNCTION, LENGTH_DELIMITED)[0]
_LINE: Final = tag(FrameField.LINE, NUMBER)
_LINE_OF_INLINE: Final = tag(InlineField.LINE, NUMBER)
_IS_MULTIPLE: Final = number_field(FrameField.IS_MULTIPLE, 1)
_SIZE: Final = tag(FrameField.FUNCTION_SIZE, NUMBER)
_MODULE_OFFSET: Final = tag(FrameField.MODULE_OFFSET, NUMBER)
_FUNCTION_OFFSET: Final = tag(FrameField.FUNCTION_OFFSET, NUMBER)
_OUTCOME: Final = tag(FrameField.OUTCOME, NUMBER)
_ASKED_OFFSET: Final = tag(AskedField.MODULE_OFFSET, NUMBER)
_RETURN_ADDRESS: Final = number_field(AskedField.IS_RETURN_ADDRESS, 1)
_INDEX_TAG: Final = tag(AskedField.MODULE_INDEX, NUMBER)[0]
_OFFSET_TAG: Final = _ASKED_OFFSET[0]
_MOST_BITS: Final = 64
"""Of a module offset."""

_LEAST_FRAME: Final = 2
"""Bytes of a tag and of a small module index."""


Inline = tuple[bytes, bytes, int]
"""The function, file and line of an inline frame."""


def answer_fields(
    function: bytes,
    file: bytes,
    line: int,
    inlines: list[Inline],
    *,
    is_multiple: bool,
    function_size: int,
) -> bytes:
    """Return the fields of a `symbolon.v1.SymbolicatedFrame` that are the same for a whole range.

    All texts are UTF-8.
    """
    pieces: list[bytes] = []
    add_answer(
        pieces,
        function,
        file,
        line,
        inlines,
        is_multiple=is_multiple,
        function_size=function_size,
    )
    return b"".join(pieces)


def add_answer(
    pieces: list[bytes],
    function: bytes,
    file: bytes,
    line: int,
    inlines: list[Inline],
    *,
    is_multiple: bool,
    function_size: int,
) -> None:
    """Append the pieces of `answer_fields`, which are joined once: with those of the frame."""
    if function:
        _add_text(pieces, FrameField.FUNCTION, function)
    if file:
        _add_text(pieces, FrameField.FILE, file)
    if line:
        pieces.append(_LINE)
        pieces.append(varint(line))
    for inlined, path, at in inlines:
        _add_inline(pieces, inlined, path, at)
    if is_multiple:
        pieces.append(_IS_MULTIPLE)
    if function_size:
        pieces.append(_SIZE)
        pieces.append(varint(function_size))


def _add_inline(pieces: list[bytes], function: bytes, file: bytes, line: int) -> None:
    """Append the pieces of a field that holds a `symbolon.v1.InlineFrame`."""
    start, length = len(pieces), 0
    pieces.append(b"")
    if function:
        length += _add_text(pieces, InlineField.FUNCTION, function)
    if file:
        length += _add_text(pieces, InlineField.FILE, file)
    if line:
        number = varint(line)
        pieces.append(_LINE_OF_INLINE)
        pieces.append(number)
        length += len(_LINE_OF_INLINE) + len(number)
    pieces[start] = message_start(FrameField.INLINES, length)


def _add_text(pieces: list[bytes], field: int, text: bytes) -> int:
    """Append the pieces of a field that holds a text; return their length."""
    start = message_start(field, len(text))
    pieces.append(start)
    pieces.append(text)
    return len(start) + len(text)


def module_field(name: bytes) -> bytes:
    """Return the field with the module's name, which all frames of a module share."""
    return bytes_field(FrameField.MODULE, name)


def frame(
    module: bytes, module_offset: int, outcome: int, answer: bytes = b"", function_offset: int = 0
) -> bytes:
    """Return a whole `symbolon.v1.SymbolicatedFrame` as a field of its stack.

    `module` is made by `module_field`, `answer` by `answer_fields`.
    """
    return join_frame([*frame_start(module, module_offset), answer], outcome, function_offset)


def frame_start(module: bytes, module_offset: int) -> list[bytes]:
    """Return the first pieces of a `symbolon.v1.SymbolicatedFrame`; the first is for its length."""
    if module_offset:
        return [b"", module, _MODULE_OFFSET, varint(module_offset)]
    return [b"", module]


def join_frame(pieces: list[bytes], outcome: int, function_offset: int) -> bytes:
    """Return the frame of these pieces, of which `frame_start` made the first."""
    if function_offset:
        pieces.append(_FUNCTION_OFFSET)
        pieces.append(varint(function_offset))
    if outcome:
        pieces.append(_OUTCOME)
        pieces.append(varint(outcome))
    length = 0
    for piece in pieces:
        length += len(piece)
    pieces[0] = message_start(FRAMES, length)
    return b"".join(pieces)


def outcome_of(frame: bytes) -> int:
    """Return the outcome of a frame made by `frame`: its last field, of one byte."""
    return frame[-1]


def function_of(frame: bytes) -> bytes:
    """Return the function of a frame made by `frame`, empty if it has none."""
    _, at = read_varint(frame, 1)  # behind the length of the frame
    while at < len(frame):
        field, at = frame[at], at + 1
        value, at = read_varint(frame, at)
        if field == _FUNCTION:
            return frame[at : at + value]
        if field & _WIRE_TYPE == LENGTH_DELIMITED:
            at += value
    return b""


def stack_start(length: int) -> bytes:
    """Return what precedes the frames of a stack in a `symbolon.v1.SymbolicateResponse`.

    `length` is the total size of the frames, each as `frame` returns it.
    """
    return message_start(STACKS, length)


def asked_frame(module_offset: int, is_return_address: bool) -> bytes:
    """Return a `symbolon.v1.Frame` without its module index, as any serializer writes it."""
    asked = _ASKED_OFFSET + varint(module_offset) if module_offset else b""
    return asked + _RETURN_ADDRESS if is_return_address else asked


def read_asked_frame(frame: bytes) -> tuple[int, int, int, bool] | None:
    """Return what a `symbolon.v1.Frame` asks for, if it is written as any serializer writes it.

    That is where `asked_frame` begins in it, behind the module index; then the module index, the
    module offset, and whether it is a return address. The index is below 16,384.
    """
    if len(frame) < _LEAST_FRAME or frame[0] != _INDEX_TAG:
        return None
    index, start = frame[1], _LEAST_FRAME
    if index >= MORE:
        if len(frame) == start or frame[start] >= MORE:
            return None
        index, start = index - MORE | frame[start] << 7, start + 1
    at, offset = start, 0
    if at < len(frame) and frame[at] == _OFFSET_TAG:
        shift, byte = 0, MORE
        while byte >= MORE:
            at += 1
            byte = frame[at] if at < len(frame) else 0
            offset |= (byte & LAST_OF_BYTE) << shift
            shift += 7
        if byte == 0 or offset >> _MOST_BITS:  # cut off, or longer than necessary
            return None
        at += 1
    is_return_address = at < len(frame)
    if is_return_address and frame[at:] != _RETURN_ADDRESS:
        return None
    return start, index, offset, is_return_address
