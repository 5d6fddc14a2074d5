"""The details that gRPC sends with an error, without the package of google.rpc messages.

A `google.rpc.Status` comes in the trailing metadata `grpc-status-details-bin`; its field 3
holds any number of `google.protobuf.Any`. Of these the client reads two:

    google.rpc.BadRequest   1: repeated FieldViolation {1: field, 2: description}
    google.rpc.RetryInfo    1: google.protobuf.Duration
"""

from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError

from symbolon.errors import FieldViolation

METADATA_KEY = "grpc-status-details-bin"
_LENGTH_DELIMITED = 2
_MAX_VARINT_BYTES = 10


@dataclass(frozen=True, slots=True)
class StatusDetails:
    """What the details of an error say."""

    violations: tuple[FieldViolation, ...] = ()
    retry_after_seconds: float | None = None
    """`None` when there is no RetryInfo."""


def read_status_details(status: bytes) -> StatusDetails:
    """Return what a `google.rpc.Status` says; nothing when it cannot be read."""
    violations: list[FieldViolation] = []
    retry_after_seconds = None
    try:
        for packed in _read_fields(status, 3):
            detail = Any.FromString(packed)
            if detail.TypeName() == "google.rpc.BadRequest":
                violations += map(_read_violation, _read_fields(detail.value, 1))
            elif detail.TypeName() == "google.rpc.RetryInfo":
                delays = [Duration.FromString(delay) for delay in _read_fields(detail.value, 1)]
                retry_after_seconds = sum(delay.ToNanoseconds() / 1e9 for delay in delays)
    except (DecodeError, ValueError):
        return StatusDetails()
    return StatusDetails(tuple(violations), retry_after_seconds)


def _read_violation(message: bytes) -> FieldViolation:
    field = b"".join(_read_fields(message, 1)).decode(errors="replace")
    return FieldViolation(field, b"".join(_read_fields(message, 2)).decode(errors="replace"))


def _read_fields(message: bytes, wanted: int) -> Iterator[bytes]:
    """Yield the contents of each length-delimited field of the wanted number."""
    position = 0
    while position < len(message):
        key, position = _read_varint(message, position)
        number, wire_type = key >> 3, key & 7
        length, position = _read_varint(message, position)
        if wire_type == 0:
            continue  # that varint was the field's value
        end = position + length
        if wire_type != _LENGTH_DELIMITED or end > len(message):
            raise ValueError("not one of the messages that are read here")
        if number == wanted:
            yield message[position:end]
        position = end


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    """Return the number at the position and the position after it."""
    value = 0
    for index, byte in enumerate(message[position : position + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that more follows
            return value, position + index + 1
    raise ValueError("a number without an end")
