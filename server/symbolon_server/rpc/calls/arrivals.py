"""Calls whose message has not arrived yet, and the time it may take."""

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Never

import grpc

from symbolon_server.rpc.calls.accepted_calls import AcceptedCall
from symbolon_server.rpc.calls.status import refuse_plainly
from symbolon_server.telemetry.lasting_threads import LastingThread, LastResort, Vitals

Begin = Callable[[AcceptedCall, Any], None]
"""Starts to answer a call whose message has arrived; runs on gRPC's serving thread."""

End = Callable[[AcceptedCall], None]
"""Ends a call whose caller sends no more messages."""

_LONGEST_PAUSE_SECONDS: Final = 1.0
_LOOKS: Final = 10
"""How many checks for late calls there are within the time a message may take."""


class Arrivals:
    """Awaits the messages of calls without a thread for each, and ends calls that are late.

    A call without its message costs one entry in a dictionary, which one lock guards.
    """

    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        vitals: Vitals | None = None,
    ) -> None:
        """Give each message `seconds` to arrive."""
        self._seconds = seconds
        self._pause = min(seconds / _LOOKS, _LONGEST_PAUSE_SECONDS)
        self._clock = clock
        self._lock = threading.Lock()
        self._awaited: dict[AcceptedCall, float] = {}
        self._late = f"the message did not arrive within {seconds:g} s"
        self._thread = LastingThread("arrivals", self._end_late, vitals)
        self._refusing = LastResort("arrivals")
        self._thread.start()

    def expect(self, call: AcceptedCall, begin: Begin, end: End | None = None) -> None:
        """Call `begin` when the next message of a call has arrived.

        If the caller sends no more messages, call `end`; without `end`, refuse the call.
        """
        with self._lock:
            self._awaited[call] = self._clock()
        if not call.receive(partial(self._note, call, begin, end or _refuse_empty)):
            with self._lock:
                self._awaited.pop(call, None)

    def hurry(self) -> None:
        """End all calls that still wait: the server is stopping."""
        self._seconds = 0.0

    def release(self) -> None:
        """End the thread; the server has stopped."""
        self._thread.close()

    def _note(self, call: AcceptedCall, begin: Begin, end: End, message: Any) -> None:
        with self._lock:
            is_awaited = self._awaited.pop(call, None) is not None
        if message is not None and is_awaited:
            begin(call, message)
        elif is_awaited and call.is_active():
            end(call)

    def _end_late(self) -> None:
        while not self._thread.is_closing.wait(self._pause):
            for call in self._take_late():
                self._refusing.run(partial(call.refuse, self._refuse_late))
            self._thread.resort.note_progress()

    def _take_late(self) -> list[AcceptedCall]:
        began_before = self._clock() - self._seconds
        with self._lock:
            late = []
            for call, began in self._awaited.items():  # oldest first
                if began > began_before:
                    break
                late.append(call)
            for call in late:
                del self._awaited[call]
        return late

    def _refuse_late(self, _message: bytes, context: grpc.ServicerContext) -> Never:
        refuse_plainly(context, grpc.StatusCode.DEADLINE_EXCEEDED, self._late)


def _refuse_empty(call: AcceptedCall) -> None:
    call.refuse(_say_empty)


def _say_empty(_message: bytes, context: grpc.ServicerContext) -> Never:
    refuse_plainly(context, grpc.StatusCode.UNIMPLEMENTED, "the call needs a message and has none")
