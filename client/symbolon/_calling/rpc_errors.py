"""Translates gRPC's errors, with their details, into those of this package.

A `google.rpc.Status` comes in the trailing metadata `grpc-status-details-bin`; its field 3
holds any number of `google.protobuf.Any`. Two kinds of these are read, without their package:

    google.rpc.BadRequest   1: repeated FieldViolation {1: field, 2: description}
    google.rpc.RetryInfo    1: google.protobuf.Duration
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from symbolon import errors
from symbolon._calling.options import REQUEST_ID_KEY
from symbolon.errors import FieldViolation

_KINDS: dict[grpc.StatusCode, type[errors.SymbolonError]] = {
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.MessageTooLargeError,
    grpc.StatusCode.UNAUTHENTICATED: errors.NotAllowedError,
    grpc.StatusCode.PERMISSION_DENIED: errors.NotAllowedError,
    grpc.StatusCode.UNIMPLEMENTED: errors.NotOfferedError,
    grpc.StatusCode.NOT_FOUND: errors.NotOfferedError,  # a health check of an unknown service
    # Not cancelled by us: the call reached a server, or a proxy, that was stopping.
    grpc.StatusCode.CANCELLED: errors.ServerUnreachableError,
}


class Connection:
    """The target of a client, and of those that share its channel, and whether it was closed."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.is_closed = False

    @contextmanager
    def translating_errors(self) -> Iterator[None]:
        """Raise errors of this package in place of those of gRPC and its asyncio version."""
        try:
            yield
        except grpc.RpcError as error:
            if self.is_closed:
                raise self._closed() from error
            raise translate(error, self.target) from error
        except (ValueError, grpc.aio.UsageError) as error:
            # Raised by a closed channel; other causes were refused before.
            raise self._closed() from error
        except asyncio.CancelledError as error:
            if not self.is_closed or _is_task_cancelled():
                raise
            raise self._closed() from error

    def _closed(self) -> errors.ClosedError:
        return errors.ClosedError(f"{self.target}: the client is closed")


def _is_task_cancelled() -> bool:
    """Return whether the task itself was cancelled, and not only its call by gRPC."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def translate(error: grpc.RpcError, target: str) -> errors.SymbolonError:
    """Return the error of this package for one of gRPC's, of either kind of client."""
    if not isinstance(error, grpc.Call | grpc.aio.AioRpcError):
        return errors.ServerDefectError(f"{target}: {error}")
    trailers = dict(error.trailing_metadata() or ())
    translated = _translate(error, target, trailers.get(METADATA_KEY))
    if (request_id := trailers.get(REQUEST_ID_KEY)) is not None:
        translated.request_id = str(request_id)
    return translated


def _translate(
    call: grpc.Call | grpc.aio.AioRpcError, target: str, status: str | bytes | None
) -> errors.SymbolonError:
    code = call.code()
    details = read_status_details(status) if isinstance(status, bytes) else StatusDetails()
    message = f"{target}: {call.details() or code.name}"
    if code is grpc.StatusCode.UNAVAILABLE:
        return errors.ServerUnreachableError(f"cannot reach {message}")
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        return errors.InvalidRequestError(call.details() or code.name, details.violations)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and details.retry_after_seconds is not None:
        return errors.ServerBusyError(message, details.retry_after_seconds)
    return _KINDS.get(code, errors.ServerDefectError)(message)


METADATA_KEY = "grpc-status-details-bin"


class StatusDetails(NamedTuple):
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
