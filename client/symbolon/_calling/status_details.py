"""The details that gRPC sends with an error, without the package of google.rpc messages.

A `google.rpc.Status` comes in the trailing metadata `grpc-status-details-bin`; its field 3
holds any number of `google.protobuf.Any`. The client reads two kinds of these:

    google.rpc.BadRequest   1: repeated FieldViolation {1: field, 2: description}
    google.rpc.RetryInfo    1: google.protobuf.Duration
"""

from dataclasses import dataclass

from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from symbolon.errors import FieldViolation

METADATA_KEY = "grpc-status-details-bin"


@dataclass(frozen=True, slots=True)
class StatusDetails:
    """The details of an error."""

    violations: tuple[FieldViolation, ...] = ()
    retry_after_seconds: float | None = None
    """`None` without a RetryInfo."""


def read_status_details(status: bytes) -> StatusDetails:
    """Return the details in a `google.rpc.Status`; none if it is malformed."""
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
    except DecodeError:
        return StatusDetails()
    return StatusDetails(tuple(violations), retry_after_seconds)


def _read_violation(message: bytes) -> FieldViolation:
    field, description = (b"".join(_read_fields(message, number)) for number in (1, 2))
    return FieldViolation(field.decode(errors="replace"), description.decode(errors="replace"))


def _read_fields(message: bytes, number: int) -> list[bytes]:
    """Return the contents of each length-delimited field of that number."""
    unknown = UnknownFieldSet(Empty.FromString(message))
    fields = map(unknown.__getitem__, range(len(unknown)))
    return [
        field.data
        for field in fields
        if field.field_number == number and isinstance(field.data, bytes)
    ]
