"""Requests whose modules are still pending, held until their callers ask again."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final
from uuid import uuid4

HELD_SECONDS: Final = 900.0
"""From the first request on."""

HELD_BYTES: Final = 64 * 2**20
"""All bodies together."""

_ENTRY_BYTES: Final = 1024
"""What an entry takes beside its body."""


@dataclass(frozen=True, slots=True)
class HeldRequest:
    """One request."""

    body: bytes
    token: str | None
    """The caller's token; others get no answer for it."""

    since: float
    """When it came first, by the clock of `HeldRequests`."""

    @property
    def size(self) -> int:
        """How much it takes."""
        return len(self.body) + _ENTRY_BYTES


class HeldRequests:
    """The requests that this gateway holds, by their ids. Thread-safe.

    It alone owns them, under its one lock. They are bounded in bytes and age; the oldest are
    dropped first. A dropped request costs its caller one more upload: nothing that was begun for it
    is lost, because workers go on with what it needs.
    """

    def __init__(
        self, max_bytes: int = HELD_BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = Lock()
        self._bytes = 0
        self._held: OrderedDict[str, HeldRequest] = OrderedDict()

    def hold(self, body: bytes, token: str | None) -> str:
        """Hold a request; return its id, which cannot be guessed."""
        request = HeldRequest(body, token, self._clock())
        request_id = str(uuid4())
        with self._lock:
            self._held[request_id] = request
            self._bytes += request.size
            self._drop()
        return request_id

    def find(self, request_id: str, token: str | None) -> HeldRequest | None:
        """Return a request of this caller, if it is still held."""
        with self._lock:
            self._drop()
            request = self._held.get(request_id)
        return request if request is not None and request.token == token else None

    def age(self, request: HeldRequest) -> float:
        """Return the seconds since a request came first."""
        return self._clock() - request.since

    def _drop(self) -> None:
        """Drop what is too old or too much; the caller has the lock."""
        oldest = self._clock() - HELD_SECONDS
        while self._held:
            request_id, request = next(iter(self._held.items()))
            if self._bytes <= self._max_bytes and request.since >= oldest:
                return
            del self._held[request_id]
            self._bytes -= request.size
