"""Calls whose message has not arrived yet, and the time it may take."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Never

import grpc

from symbolon_server.rpc.calls.accepted_calls import AcceptedCall
from symbolon_server.rpc.calls.call_limits import refuse_full
from symbolon_server.rpc.calls.status import refuse_plainly
from symbolon_server.telemetry.lasting_threads import LastingThread, LastResort, Vitals

Begin = Callable[[AcceptedCall, Any], None]
"""Starts to answer a call whose message has arrived; runs on gRPC's serving thread."""

End = Callable[[AcceptedCall], None]
"""Ends a call whose caller sends no more messages."""

_LONGEST_PAUSE_SECONDS: Final = 1.0
_BURST_SECONDS: Final = 0.25
"""How long calls may exceed the places: their messages usually arrive immediately."""

_BURST: Final = 8
"""How many calls per place are allowed for that time."""

_CHECKS: Final = 10
"""How many checks for late calls there are within the time a message may take."""


class AwaitedCalls:
    """Calls of one kind whose message has not arrived yet, oldest first.

    gRPC buffers each awaited message up to the size limit of requests, so the number of calls
    also bounds memory. If there are too many, the oldest is refused. One address may hold half of
    the places; if it has more calls, its own oldest is refused. New calls are spared for
    a moment: the messages of a burst are in transit.
    """

    def __init__(self, max_calls: int, clock: Callable[[], float]) -> None:
        """Await nothing yet."""
        self._max_calls = max_calls
        self._of_one = (max_calls + 1) // 2
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: dict[AcceptedCall, tuple[float, str]] = {}
        self._places: Counter[str] = Counter()
        self._within_shares = 0
        """How many calls there are, counting no address beyond its share."""

    def expect(self, call: AcceptedCall, begin: Begin, end: End | None = None) -> None:
        """Call `begin` when the next message of a call has arrived.

        If the caller sends no more messages, call `end`; without `end`, refuse the call.
        """
        address = call.address()
        now = self._clock()
        with self._lock:
            excess = self._find_excess(address, now)
            if excess is not None:
                self._drop(excess)
            self._calls[call] = now, address
            self._within_shares += self._places[address] < self._of_one
            self._places[address] += 1
        if excess is not None:
            excess.refuse(_refuse_excess)
        if not call.receive(partial(self._note, call, begin, end or _refuse_empty)):
            self._take(call)

    def take_late(self, began_before: float) -> list[AcceptedCall]:
        """Stop awaiting the calls that began before a time, and return them."""
        late = []
        with self._lock:
            for call, (began, _) in self._calls.items():
                if began > began_before:
                    break
                late.append(call)
            for call in late:
                self._drop(call)
        return late

    def take_excess(self) -> list[AcceptedCall]:
        """Stop awaiting the calls beyond the limits, and return them."""
        began_before = self._clock() - _BURST_SECONDS
        excess = []
        with self._lock:
            for call, (began, address) in list(self._calls.items()):
                if began > began_before:
                    break
                if self._places[address] > self._of_one or self._within_shares > self._max_calls:
                    self._drop(call)
                    excess.append(call)
        return excess

    def _find_excess(self, address: str, now: float) -> AcceptedCall | None:
        """Return the call to refuse so that one from an address gets a place, if any."""
        of_address, most = self._places.get(address, 0), _BURST * self._max_calls
        if of_address >= self._of_one:
            oldest = next(call for call, (_, other) in self._calls.items() if other == address)
            is_full = of_address >= _BURST * self._of_one or len(self._calls) >= most
        elif self._within_shares >= self._max_calls:
            oldest = next(iter(self._calls))
            is_full = len(self._calls) >= most
        else:
            return None
        began, _ = self._calls[oldest]
        return oldest if is_full or began <= now - _BURST_SECONDS else None

    def _drop(self, call: AcceptedCall) -> None:
        _, address = self._calls.pop(call)
        self._places[address] -= 1
        self._within_shares -= self._places[address] < self._of_one
        if not self._places[address]:
            del self._places[address]

    def _take(self, call: AcceptedCall) -> bool:
        """Stop awaiting a call; return whether it was awaited."""
        with self._lock:
            is_awaited = call in self._calls
            if is_awaited:
                self._drop(call)
        return is_awaited

    def _note(self, call: AcceptedCall, begin: Begin, end: End, message: Any) -> None:
        is_awaited = self._take(call)
        if message is not None and is_awaited:
            begin(call, message)
        elif is_awaited and call.is_active():
            end(call)


class Arrivals:
    """Awaits the messages of calls without a thread for each, and ends calls that are late.

    A call without its message costs one entry in a dictionary of its kind.
    """

    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        vitals: Vitals | None = None,
    ) -> None:
        """Give each message `seconds` to arrive."""
        self._seconds = seconds
        self._pause = min(seconds / _CHECKS, _LONGEST_PAUSE_SECONDS)
        self._clock = clock
        self._kinds: tuple[AwaitedCalls, ...] = ()
        self._late = f"the message did not arrive within {seconds:g} s"
        self._thread = LastingThread("arrivals", self._end_late, vitals)
        self._refusing = LastResort("arrivals")
        self._thread.start()

    def room_for(self, max_calls: int) -> AwaitedCalls:
        """Return the places for calls of one more kind."""
        room = AwaitedCalls(max_calls, self._clock)
        self._kinds = *self._kinds, room
        return room

    def hurry(self) -> None:
        """End all calls that still wait: the server is stopping."""
        self._seconds = 0.0

    def release(self) -> None:
        """End the thread; the server has stopped."""
        self._thread.close()

    def _end_late(self) -> None:
        while not self._thread.is_closing.wait(self._pause):
            began_before = self._clock() - self._seconds
            for kind in self._kinds:
                for call in kind.take_late(began_before):
                    self._refusing.run(partial(call.refuse, self._refuse_late))
                for call in kind.take_excess():
                    self._refusing.run(partial(call.refuse, _refuse_excess))
            self._thread.resort.note_progress()

    def _refuse_late(self, _message: bytes, context: grpc.ServicerContext) -> Never:
        refuse_plainly(context, grpc.StatusCode.DEADLINE_EXCEEDED, self._late)


def _refuse_excess(_message: bytes, context: grpc.ServicerContext) -> Never:
    refuse_full(context, "the messages of too many calls have not arrived")


def _refuse_empty(call: AcceptedCall) -> None:
    call.refuse(_say_empty)


def _say_empty(_message: bytes, context: grpc.ServicerContext) -> Never:
    refuse_plainly(context, grpc.StatusCode.UNIMPLEMENTED, "the call needs a message and has none")
