"""Receives announcements from the cache Redis, such as which ingests ended."""

import contextlib
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import redis
from redis.client import PubSub

from symbolon_server.redis_servers.following import renewals_of
from symbolon_server.redis_servers.read_values import UNREADABLE
from symbolon_server.telemetry.lasting_threads import LastingThread, LastResort, Vitals
from symbolon_server.telemetry.logs import EventLog

RECHECK_SECONDS = 1.0
"""Redis sends a message once, to current subscribers only. So listeners also check, at this
interval and after each reconnect, for what they missed."""

_RECONNECT_SECONDS = 0.25
_WAKE_UP = b""
"""Sent by a listener to itself, to wake up and stop."""

_NAME = "announcements"
_log = EventLog(__name__)


class Announcements:
    """One thread that subscribes to some channels and reconnects by itself.

    Callbacks are independent: one that raises does not keep the others from being called.
    """

    def __init__(
        self,
        client: redis.Redis,
        recheck_seconds: float = RECHECK_SECONDS,
        vitals: Vitals | None = None,
    ) -> None:
        """Subscribe on the cache Redis of `client`, with a separate connection.

        `vitals` are notified when the thread, or an `on_doubt`, keeps failing.
        """
        self._client = client
        self._recheck_seconds = recheck_seconds
        self._on_message: dict[str, Callable[[str], None]] = {}
        self._repeated: list[tuple[Callable[[], object], LastResort]] = []
        self._vitals = vitals
        self._telling = LastResort(_NAME)
        self._thread = LastingThread(_NAME, self._listen, vitals)

    def listen(
        self, channel: str, on_message: Callable[[str], None], on_doubt: Callable[[], None]
    ) -> None:
        """Call `on_message` with each text announced on `channel`; call this before `start`.

        `on_doubt` is called when messages may have been lost, and every `recheck_seconds`, because
        a loss can go unnoticed. All callbacks run in the thread, one after the other.
        """
        self._on_message[channel] = on_message
        self._repeated.append((on_doubt, LastResort(_NAME, self._vitals)))

    def repeat(self, look: Callable[[], object]) -> None:
        """Call `look` like an `on_doubt`, but one whose failures are not reported to `vitals`."""
        self._repeated.append((look, LastResort(_NAME)))

    def start(self) -> None:
        """Start to listen; return at once, even while the cache is down."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening and wait for the thread to end."""
        self._thread.is_closing.set()
        # While the cache is down the thread cannot receive this, but does not block on it either.
        with contextlib.suppress(redis.RedisError):
            self._client.publish(next(iter(self._on_message)), _WAKE_UP)
        self._thread.close()

    def _listen(self) -> None:
        is_known = False
        self._doubt()  # for what was missed before the start, or during an unexpected error
        while not self._thread.is_closing.is_set():
            try:
                with self._client.pubsub() as pubsub:  # type: ignore[no-untyped-call] # redis-py
                    renewals = renewals_of(self._client)
                    pubsub.subscribe(*self._on_message)
                    is_known = False
                    self._read(pubsub, renewals)
            except redis.RedisError as error:
                if not is_known:
                    _log.warning("announcements_lost", error=type(error).__name__)
                is_known = True
                self._doubt()
                self._thread.is_closing.wait(_RECONNECT_SECONDS)

    def _read(self, pubsub: PubSub, renewals: int) -> None:
        """Deliver announcements until the other connections move to another server."""
        due = time.monotonic() + self._recheck_seconds
        while not self._thread.is_closing.is_set() and renewals_of(self._client) == renewals:
            left = max(0.0, due - time.monotonic())
            kind, channel, data = _receive(pubsub, left)
            if kind == "message" and channel in self._on_message:
                self._tell(channel, data)
            if kind == "subscribe":
                due = 0.0  # what ended before the subscription was not announced to us
            if time.monotonic() >= due:
                self._thread.resort.note_progress()
                self._doubt()
                due = time.monotonic() + self._recheck_seconds

    def _tell(self, channel: str, data: bytes) -> None:
        if data != _WAKE_UP:
            text = data.decode(errors="replace")
            self._telling.run(partial(self._on_message[channel], text))

    def _doubt(self) -> None:
        for look, resort in self._repeated:
            resort.run(look)


def _receive(pubsub: PubSub, seconds: float) -> tuple[str, str, bytes]:
    """Return kind, channel and data of the next message, or empty ones after `seconds`.

    Raises `redis.RedisError`, also for what is no message: redis-py does not check it.
    """
    try:
        message: dict[str, Any] | None = pubsub.get_message(timeout=seconds)
        if message is None:
            return "", "", b""
        if message["type"] != "message":
            return str(message["type"]), "", b""
        return "message", message["channel"].decode(), bytes(memoryview(message["data"]))
    except UNREADABLE as error:
        raise redis.InvalidResponse("not a message") from error
