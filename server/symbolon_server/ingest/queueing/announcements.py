"""Hears from the cache Redis which ingests ended, and what else is announced."""

import contextlib
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import redis
from redis.client import PubSub

from symbolon_server.redis_servers.following import renewals_of
from symbolon_server.telemetry.lasting_threads import LastingThread, LastResort, Vitals
from symbolon_server.telemetry.logs import EventLog

RECHECK_SECONDS = 1.0
"""A message is sent once, to those who listen then. So what a message would tell is asked for
this often by those who wait, and after each new connection."""

_RECONNECT_SECONDS = 0.25
_WAKE_UP = b""
"""Sent by a listener to itself, so that it looks whether it is to end."""

_NAME = "announcements"
_log = EventLog(__name__)


class Announcements:
    """One thread that listens on some channels and connects again by itself.

    What is called in it stands for itself: one that raises keeps no other from being called.
    """

    def __init__(
        self,
        client: redis.Redis,
        recheck_seconds: float = RECHECK_SECONDS,
        vitals: Vitals | None = None,
    ) -> None:
        """Listen on the cache Redis of `client`, with a connection of our own.

        `vitals` are told when the thread, or an `on_doubt`, cannot go on.
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
        """Tell `on_message` each text that is announced on `channel`; to be called before `start`.

        `on_doubt` is called when messages may have been lost, and every `recheck_seconds` because
        that can never be known. All of them run in the thread, one after the other.
        """
        self._on_message[channel] = on_message
        self._repeated.append((on_doubt, LastResort(_NAME, self._vitals)))

    def repeat(self, look: Callable[[], object]) -> None:
        """Call `look` as if it were an `on_doubt`, but one without which all goes on."""
        self._repeated.append((look, LastResort(_NAME)))

    def start(self) -> None:
        """Begin to listen; returns at once, also while the cache is down."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening and wait for the thread's end."""
        self._thread.is_closing.set()
        # When the cache is down the thread does not hear us, but is not listening either.
        with contextlib.suppress(redis.RedisError):
            self._client.publish(next(iter(self._on_message)), _WAKE_UP)
        self._thread.close()

    def _listen(self) -> None:
        is_known = False
        self._doubt()  # what came before, or while an error nobody expected was in the way
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
        """Tell what is announced, until the other connections were left for another server."""
        due = time.monotonic() + self._recheck_seconds
        while not self._thread.is_closing.is_set() and renewals_of(self._client) == renewals:
            left = max(0.0, due - time.monotonic())
            message: dict[str, Any] | None = pubsub.get_message(timeout=left)
            if message is not None and message["type"] == "message":
                self._tell(message["channel"].decode(), message["data"])
            if message is not None and message["type"] == "subscribe":
                due = 0.0  # what ended before nobody told us
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
