"""How calls are made: deadlines, and how many at a time."""

import math
import re
from dataclasses import dataclass
from typing import Any

import grpc

from symbolon.errors import InvalidRequestError

DEFAULT_TIMEOUT_SECONDS = 30.0

REQUEST_ID_KEY = "x-request-id"
"""Metadata that names a call in the server's log."""

_SENDABLE = re.compile(r"[ -~]*", re.ASCII)

CALLS_IN_FLIGHT = 4
"""Of many reports: enough to keep a server busy, few enough to hold their answers."""


@dataclass(frozen=True, slots=True)
class CallOptions:
    """What all calls of a client have in common."""

    timeout: float
    wait_for_ready: bool

    credentials: grpc.CallCredentials | None = None
    """What a caller is known by who shares the connection with others."""

    metadata: tuple[tuple[str, str], ...] = ()
    """Sent with each call."""

    def choose(self, timeout: float | None, request_id: str | None = None) -> dict[str, Any]:
        """Return the arguments of one call, whose own timeout wins; raise `InvalidRequestError`."""
        known_by = {} if self.credentials is None else {"credentials": self.credentials}
        named = () if request_id is None else ((REQUEST_ID_KEY, _check_id(request_id)),)
        return known_by | {
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
        raise InvalidRequestError(f"timeout: {timeout!r} is no number of seconds")
    return seconds


def _check_id(request_id: object) -> str:
    """Return a name that gRPC can send as metadata."""
    if isinstance(request_id, str) and _SENDABLE.fullmatch(request_id):
        return request_id
    raise InvalidRequestError(f"request_id: {request_id!r} is not printable ASCII")
