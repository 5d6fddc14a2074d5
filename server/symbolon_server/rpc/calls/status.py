"""How a call without an answer ends: a status code with machine-readable details, and its id."""

import re
import secrets
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Never

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import (  # type: ignore[import-untyped] # the package has no py.typed
    error_details_pb2,
    status_pb2,
)

from symbolon_server.telemetry.logs import EventLog

DETAILS_KEY = "grpc-status-details-bin"
"""Trailing metadata that holds a serialized `google.rpc.Status`."""

PUSHBACK_KEY = "grpc-retry-pushback-ms"
"""Trailing metadata that tells gRPC's own retry policy how long to wait."""

REQUEST_ID_KEY: Final = "x-request-id"
"""Metadata with the request id: a caller may send one, and every failed call returns one."""

_VALID_ID: Final = re.compile(r"[0-9A-Za-z._:/+=@-]{1,128}")
"""Enough for UUIDs, trace ids and host-specific ids; nothing that could forge a log line."""

_log = EventLog(__name__)


class FieldViolation(NamedTuple):
    """One rule that a request breaks."""

    field: str
    """Path of the field: `stacks[0].frames[3].module_index`."""

    description: str
    """One line for a person. It never repeats text from the caller."""


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
    """End the call with `code` and the time after which a retry can succeed."""
    delay = Duration()
    delay.FromNanoseconds(round(retry_after_seconds * 1e9))
    detail = error_details_pb2.RetryInfo(retry_delay=delay)
    pushback = (PUSHBACK_KEY, str(round(retry_after_seconds * 1000)))
    _abort(context, code, message, detail, pushback)


def refuse_plainly(context: grpc.ServicerContext, code: grpc.StatusCode, message: str) -> Never:
    """End the call with `code`, without further details."""
    context.set_trailing_metadata(((REQUEST_ID_KEY, request_id_of(context)),))
    context.abort(code, message)


def request_id_of(context: grpc.ServicerContext) -> str:
    """Return the caller's request id, or a new one if the caller sent no valid id."""
    return find_request_id(context.invocation_metadata()) or secrets.token_hex(8)


def find_request_id(metadata: Iterable[tuple[str, str | bytes]] | None) -> str | None:
    """Return the first valid request id in `metadata`, if any."""
    for key, value in metadata or ():
        if key == REQUEST_ID_KEY and isinstance(value, str) and _VALID_ID.fullmatch(value):
            return value
    return None


def log_defect(error: Exception, method: str, request_id: str) -> str:
    """Log an unexpected error; return the message for the caller, which reveals nothing of it."""
    _log.error("call_failed", exception=error, method=method, request_id=request_id)
    return f"internal error; see the server's log for request id {request_id}"


def _abort(
    context: grpc.ServicerContext,
    code: grpc.StatusCode,
    message: str,
    detail: Message,
    *more_metadata: tuple[str, str],
) -> Never:
    status = status_pb2.Status(code=code.value[0], message=message)
    status.details.add().Pack(detail)
    request_id = (REQUEST_ID_KEY, request_id_of(context))
    details = (DETAILS_KEY, status.SerializeToString())
    context.set_trailing_metadata((details, request_id, *more_metadata))
    context.abort(code, message)
