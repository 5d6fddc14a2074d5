"""Answers as bytes of the API's wire format.

A response repeats few different frames many times. Each is encoded once, by hand rather than as
a protobuf message, and remembered; a response is then put together by joining bytes. The tests
hold every function here against the generated messages.

Source of the format: https://protobuf.dev/programming-guides/encoding/
"""

from typing import Final

_LENGTH_DELIMITED: Final = 2
_LAST_OF_BYTE: Final = 0x7F
_LAST_OF_TWO_BYTES: Final = 0x3FFF
_LAST_OF_THREE_BYTES: Final = 0x1FFFFF
_MORE: Final = 0x80


def varint(number: int) -> bytes:
    """Return `number`, which is not negative, as a varint of 1 to 10 bytes."""
    if number < _MOST_SMALL:
        return _SMALL[number]
    return _write_varint(number)


def _write_varint(number: int) -> bytes:
    if number <= _LAST_OF_BYTE:
        return bytes((number,))
    if number <= _LAST_OF_TWO_BYTES:
        return bytes((number & _LAST_OF_BYTE | _MORE, number >> 7))
    if number <= _LAST_OF_THREE_BYTES:
        return bytes(
            (number & _LAST_OF_BYTE | _MORE, number >> 7 & _LAST_OF_BYTE | _MORE, number >> 14)
        )
    encoded = bytearray()
    while number > _LAST_OF_BYTE:
        encoded.append(number & _LAST_OF_BYTE | _MORE)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


_MOST_SMALL: Final = 1 << 11
_SMALL: Final = tuple(map(_write_varint, range(_MOST_SMALL)))
"""The varints of small numbers: almost all lengths, and half of all lines."""


def number_field(field: int, number: int) -> bytes:
    """Return a field of an integer type, or nothing where it has the default value 0."""
    return _SMALL[field << 3] + varint(number) if number else b""


def bytes_field(field: int, content: bytes) -> bytes:
    """Return a string field, or nothing where it has the default value, the empty string."""
    return message_start(field, len(content)) + content if content else b""


def message_field(field: int, content: bytes) -> bytes:
    """Return a field that holds an encoded message, be it empty."""
    return message_start(field, len(content)) + content


def message_start(field: int, length: int) -> bytes:
    """Return what stands before the `length` bytes of an encoded message in a field."""
    if length <= _LAST_OF_BYTE:
        return _SHORT_STARTS[field << 7 | length]
    return _SMALL[field << 3 | _LENGTH_DELIMITED] + varint(length)


_MOST_FIELDS: Final = 16
_SHORT_STARTS: Final = tuple(
    bytes([field << 3 | _LENGTH_DELIMITED, length])
    for field in range(_MOST_FIELDS)
    for length in range(_LAST_OF_BYTE + 1)
)


def _place_fields(
    starts: tuple[bytes, bytes, bytes], function: bytes, file: bytes, line: int
) -> list[bytes]:
    """Return the parts of the fields of a place in code, which begin with `starts`.

    They are joined with what follows: a function for each field would take twice the time.
    """
    of_function, of_file, of_line = starts
    parts: list[bytes] = []
    if function:
        parts += of_function, varint(len(function)), function
    if file:
        parts += of_file, varint(len(file)), file
    if line:
        parts += of_line, varint(line)
    return parts


_PLACE_OF_INLINE: Final = b"\x0a", b"\x12", b"\x18"
"""What the fields 1 to 3 of a `symbolon.v1.InlineFrame` begin with."""


def inline_frame(function: bytes, file: bytes, line: int) -> bytes:
    """Return a `symbolon.v1.InlineFrame`; the texts are UTF-8."""
    return b"".join(_place_fields(_PLACE_OF_INLINE, function, file, line))


_PLACE_OF_FRAME: Final = b"\x1a", b"\x2a", b"\x30"
_INLINE, _IS_MULTIPLE, _SIZE = b"\x3a", b"\x48\1", b"\x50"
"""What the fields 3, 5 and 6, and 7, of a `symbolon.v1.SymbolicatedFrame` begin with, a true
field 9, and what field 10 begins with."""


def answer_fields(
    function: bytes,
    file: bytes,
    line: int,
    inlines: list[bytes],
    *,
    is_multiple: bool,
    function_size: int,
) -> bytes:
    """Return the fields of a `symbolon.v1.SymbolicatedFrame` that its range decides."""
    parts = _place_fields(_PLACE_OF_FRAME, function, file, line)
    for inline in inlines:
        parts += _INLINE, varint(len(inline)), inline
    if is_multiple:
        parts.append(_IS_MULTIPLE)
    if function_size:
        parts += _SIZE, varint(function_size)
    return b"".join(parts)


def stack_start(length: int) -> bytes:
    """Return what a stack in a `symbolon.v1.SymbolicateResponse` begins with.

    `length` is the bytes of all its frames, each as `frame` returns it.
    """
    return message_start(1, length)


def frame(
    module: bytes, module_offset: int, outcome: int, answer: bytes = b"", function_offset: int = 0
) -> bytes:
    """Return a whole `symbolon.v1.SymbolicatedFrame` as a field of its stack.

    `module` is the encoded field 1, `answer` what `answer_fields` returned.
    """
    fields = (
        module,
        number_field(2, module_offset),
        answer,
        number_field(4, function_offset),
        number_field(8, outcome),
    )
    return message_field(1, b"".join(fields))


def outcome_of(frame: bytes) -> int:
    """Return the outcome of a whole frame as `frame` made it: its last field, of one byte."""
    return frame[-1]


def asked_frame(module_offset: int, is_return_address: bool) -> bytes:
    """Return a `symbolon.v1.Frame` without its module index, as any serializer writes it."""
    return number_field(2, module_offset) + number_field(3, is_return_address)
