"""How calls are made: deadlines, and how many at a time."""

from dataclasses import dataclass
from typing import Any

import grpc

DEFAULT_TIMEOUT_SECONDS = 30.0

REQUEST_ID_KEY = "x-request-id"
"""Metadata that names a call in the server's log."""

CALLS_IN_FLIGHT = 4
"""Of many reports: enough to keep a server busy, few enough to hold their answers."""


@dataclass(frozen=True, slots=True)
class CallOptions:
    """What all calls of a client have in common."""

    target: str
    timeout: float
    wait_for_ready: bool

    credentials: grpc.CallCredentials | None = None
    """What a caller is known by who shares the connection with others."""

    def choose(self, timeout: float | None, request_id: str | None = None) -> dict[str, Any]:
        """Return the arguments of one call, whose own timeout wins."""
        known_by = {} if self.credentials is None else {"credentials": self.credentials}
        return known_by | {
            "timeout": self.timeout if timeout is None else timeout,
            "wait_for_ready": self.wait_for_ready,
            "metadata": () if request_id is None else ((REQUEST_ID_KEY, request_id),),
        }
