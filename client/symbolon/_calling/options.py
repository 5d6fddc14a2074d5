"""Options of calls: deadlines, credentials, request ids, and how many run at a time."""

import math
import re
from typing import Any, NamedTuple

import grpc

from symbolon.errors import InvalidRequestError

DEFAULT_TIMEOUT_SECONDS = 30.0

REQUEST_ID_KEY = "x-request-id"
"""Metadata key of the id that identifies a call in the server's log."""

_SENDABLE = re.compile(r"[ -~]*", re.ASCII)

CALLS_IN_FLIGHT = 4
"""In a run of many reports: enough to keep a server busy, few enough to hold their answers."""


class CallOptions(NamedTuple):
    """The options that all calls of a client share."""

    timeout: float
    wait_for_ready: bool

    credentials: grpc.CallCredentials | None = None
    """Of a client that shares the connection of another, see `Client.with_token`."""

    metadata: tuple[tuple[str, str], ...] = ()
    """Sent with each call."""

    def choose(self, timeout: float | None, request_id: str | None = None) -> dict[str, Any]:
        """Return the arguments of one call; its own timeout wins. Raises `InvalidRequestError`."""
        own = {} if self.credentials is None else {"credentials": self.credentials}
        named = () if request_id is None else ((REQUEST_ID_KEY, _check_id(request_id)),)
        return own | {
            "timeout": _check_timeout(self.timeout if timeout is None else timeout),
            "wait_for_ready": self.wait_for_ready,
            "metadata": self.metadata + named,
        }


def _check_timeout(timeout: float) -> float:
    try:
        seconds = float(timeout)
    except (TypeError, ValueError):
        seconds = math.nan
    if not math.isfinite(seconds):
        raise InvalidRequestError(f"timeout: {timeout!r} is not a number of seconds")
    return seconds


def _check_id(request_id: object) -> str:
    """Return an id that gRPC can send as metadata."""
    if isinstance(request_id, str) and _SENDABLE.fullmatch(request_id):
        return request_id
    raise InvalidRequestError(f"request_id: {request_id!r} is not printable ASCII")
