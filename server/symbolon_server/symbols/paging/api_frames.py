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
    message_field,
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


def _location_tags(fields: type[FrameField | InlineField]) -> tuple[bytes, bytes, bytes]:
    return (
        tag(fields.FUNCTION, LENGTH_DELIMITED),
        tag(fields.FILE, LENGTH_DELIMITED),
        tag(fields.LINE, NUMBER),
    )


_LOCATION_OF_INLINE: Final = _location_tags(InlineField)
_LOCATION_OF_FRAME: Final = _location_tags(FrameField)
_WIRE_TYPE: Final = 7
"""The bits of a tag that say how its value is written."""

_FUNCTION: Final = _LOCATION_OF_FRAME[0][0]
_INLINE: Final = tag(FrameField.INLINES, LENGTH_DELIMITED)
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


def _location_fields(
    tags: tuple[bytes, bytes, bytes], function: bytes, file: bytes, line: int
) -> list[bytes]:
    """Return the pieces of the fields for a function, file and line.

    The caller joins them with what follows; a function call per field would take twice the time.
    """
    function_tag, file_tag, line_tag = tags
    pieces: list[bytes] = []
    if function:
        pieces += function_tag, varint(len(function)), function
    if file:
        pieces += file_tag, varint(len(file)), file
    if line:
        pieces += line_tag, varint(line)
    return pieces


def inline_frame(function: bytes, file: bytes, line: int) -> bytes:
    """Return a `symbolon.v1.InlineFrame`; the texts are UTF-8."""
    return b"".join(_location_fields(_LOCATION_OF_INLINE, function, file, line))


def answer_fields(
    function: bytes,
    file: bytes,
    line: int,
    inlines: list[bytes],
    *,
    is_multiple: bool,
    function_size: int,
) -> bytes:
    """Return the fields of a `symbolon.v1.SymbolicatedFrame` that are the same for a whole range.

    `inlines` are encoded by `inline_frame`.
    """
    pieces = _location_fields(_LOCATION_OF_FRAME, function, file, line)
    for inline in inlines:
        pieces += _INLINE, varint(len(inline)), inline
    if is_multiple:
        pieces.append(_IS_MULTIPLE)
    if function_size:
        pieces += _SIZE, varint(function_size)
    return b"".join(pieces)


def module_field(name: bytes) -> bytes:
    """Return the field with the module's name, which all frames of a module share."""
    return bytes_field(FrameField.MODULE, name)


def frame(
    module: bytes, module_offset: int, outcome: int, answer: bytes = b"", function_offset: int = 0
) -> bytes:
    """Return a whole `symbolon.v1.SymbolicatedFrame` as a field of its stack.

    `module` is made by `module_field`, `answer` by `answer_fields`.
    """
    fields = (
        module,
        _MODULE_OFFSET + varint(module_offset) if module_offset else b"",
        answer,
        _FUNCTION_OFFSET + varint(function_offset) if function_offset else b"",
        _OUTCOME + varint(outcome) if outcome else b"",
    )
    return message_field(FRAMES, b"".join(fields))


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
