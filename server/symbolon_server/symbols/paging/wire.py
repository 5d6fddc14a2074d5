"""The wire format of protobuf: fields as bytes.

Source of the format: https://protobuf.dev/programming-guides/encoding/
"""

from typing import Final

NUMBER: Final = 0
"""The wire type of integers, Booleans and enums."""

LENGTH_DELIMITED: Final = 2
"""The wire type of strings and messages."""

LAST_OF_BYTE: Final = 0x7F
"""The largest number that a varint of one byte holds."""

_LAST_OF_TWO_BYTES: Final = 0x3FFF
_LAST_OF_THREE_BYTES: Final = 0x1FFFFF
MORE: Final = 0x80
"""The bit of a byte of a varint that others follow."""


def varint(number: int) -> bytes:
    """Return `number`, which is not negative, as a varint of 1 to 10 bytes."""
    if number < _MOST_SMALL:
        return _SMALL[number]
    return _write_varint(number)


def _write_varint(number: int) -> bytes:
    if number <= LAST_OF_BYTE:
        return bytes((number,))
    if number <= _LAST_OF_TWO_BYTES:
        return bytes((number & LAST_OF_BYTE | MORE, number >> 7))
    if number <= _LAST_OF_THREE_BYTES:
        return bytes(
            (number & LAST_OF_BYTE | MORE, number >> 7 & LAST_OF_BYTE | MORE, number >> 14)
        )
    encoded = bytearray()
    while number > LAST_OF_BYTE:
        encoded.append(number & LAST_OF_BYTE | MORE)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


_MOST_SMALL: Final = 1 << 11
_SMALL: Final = tuple(map(_write_varint, range(_MOST_SMALL)))
"""Varints of small numbers: almost all lengths, and half of all lines."""


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the varint at a place, and the place behind it."""
    value = shift = 0
    while (byte := data[at]) & MORE:
        value |= (byte ^ MORE) << shift
        shift += 7
        at += 1
    return value | byte << shift, at + 1


def tag(field: int, wire_type: int) -> bytes:
    """Return the bytes that a field of this type starts with."""
    return _SMALL[field << 3 | wire_type]


def number_field(field: int, number: int) -> bytes:
    """Return a field of an integer type; empty for the default value 0."""
    return _SMALL[field << 3] + varint(number) if number else b""


def bytes_field(field: int, content: bytes) -> bytes:
    """Return a string field; empty for the default value, the empty string."""
    return message_start(field, len(content)) + content if content else b""


def message_field(field: int, content: bytes) -> bytes:
    """Return a field that holds an encoded message, which may be empty."""
    return message_start(field, len(content)) + content


def message_start(field: int, length: int) -> bytes:
    """Return the tag and length that precede the `length` bytes of an encoded message."""
    if length <= LAST_OF_BYTE:
        return _SHORT_STARTS[field << 7 | length]
    return tag(field, LENGTH_DELIMITED) + varint(length)


_MOST_FIELDS: Final = 16
_SHORT_STARTS: Final = tuple(
    tag(field, LENGTH_DELIMITED) + varint(length)
    for field in range(_MOST_FIELDS)
    for length in range(LAST_OF_BYTE + 1)
)
