"""How a call ends that has no answer: status codes with machine-readable details."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Never

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import (  # type: ignore[import-untyped] # the package has no py.typed
    error_details_pb2,
    status_pb2,
)

from symbolon_server.rpc.calls.request_ids import REQUEST_ID_KEY, request_id_of

DETAILS_KEY = "grpc-status-details-bin"
"""Trailing metadata that holds a serialized `google.rpc.Status`."""

PUSHBACK_KEY = "grpc-retry-pushback-ms"
"""Trailing metadata that tells gRPC's own retry policy how long to wait."""


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One rule that a request breaks."""

    field: str
    """Path of the field: `stacks[0].frames[3].module_index`."""

    description: str
    """One line for a person, without the caller's own text."""


class InvalidRequestError(Exception):
    """A request that breaks rules; its text is one line for a person."""

    def __init__(self, violations: Sequence[FieldViolation]) -> None:
        """Take all `violations`; there is at least one."""
        first, more = violations[0], len(violations) - 1
        tail = f" (and {more} more)" if more else ""
        super().__init__(f"{first.field}: {first.description}{tail}")
        self.violations = violations


def refuse_invalid(context: grpc.ServicerContext, violations: Sequence[FieldViolation]) -> Never:
    """End the call with INVALID_ARGUMENT and all `violations`; there is at least one."""
    detail = error_details_pb2.BadRequest()
    for violation in violations:
        detail.field_violations.add(field=violation.field, description=violation.description)
    message = str(InvalidRequestError(violations))
    _abort(context, grpc.StatusCode.INVALID_ARGUMENT, message, detail)


def refuse_for_now(
    context: grpc.ServicerContext, code: grpc.StatusCode, message: str, retry_after_seconds: float
) -> Never:
    """End the call with `code` and the time after which a retry can help."""
    delay = Duration()
    delay.FromNanoseconds(round(retry_after_seconds * 1e9))
    detail = error_details_pb2.RetryInfo(retry_delay=delay)
    pushback = (PUSHBACK_KEY, str(round(retry_after_seconds * 1000)))
    _abort(context, code, message, detail, pushback)


def refuse_plainly(context: grpc.ServicerContext, code: grpc.StatusCode, message: str) -> Never:
    """End the call with `code`, about which there is nothing more to say."""
    context.set_trailing_metadata(((REQUEST_ID_KEY, request_id_of(context)),))
    context.abort(code, message)


def code_of(context: grpc.ServicerContext) -> grpc.StatusCode | None:
    """Return the status code that the call was ended with, `None` as long as it was not."""
    code: grpc.StatusCode | None = context.code()  # type: ignore[attr-defined] # the stubs lack it
    return code


def _abort(
    context: grpc.ServicerContext,
    code: grpc.StatusCode,
    message: str,
    detail: Message,
    *more_metadata: tuple[str, str],
) -> Never:
    status = status_pb2.Status(code=code.value[0], message=message)
    status.details.add().Pack(detail)
    name = (REQUEST_ID_KEY, request_id_of(context))
    details = (DETAILS_KEY, status.SerializeToString())
    context.set_trailing_metadata((details, name, *more_metadata))
    context.abort(code, message)
