"""Where calls go that gRPC has accepted: threads, once their message is there."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from symbolon_server.rpc.calls.accepted_calls import AcceptedCall
from symbolon_server.rpc.calls.arrivals import AwaitedCalls
from symbolon_server.rpc.calls.call_limit import CallLimit

_TAKEN: Final[Future[Any]] = Future()
"""What gRPC is told of each call: it asks for no more than whether it was taken."""

_TAKEN.set_result(None)


class Intake(ThreadPoolExecutor):
    """Stands where gRPC wants a pool of threads, and gives each call to `take` instead.

    gRPC gives every accepted call to its pool exactly once, on its serving thread.
    """

    def __init__(self, take: Callable[[AcceptedCall], None]) -> None:
        super().__init__(max_workers=1)  # which never starts
        self._take = take

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_kwargs: Any) -> Future[Any]:
        """Take a call."""
        self._take(AcceptedCall(fn, *args))
        return _TAKEN


class CallPool(Intake):
    """The threads that answer calls; a call gets one, and is in flight, once its message is there.

    Calls beyond the limit are refused then: they may all have begun while there was room.
    """

    def __init__(self, threads: int, limit: CallLimit, awaited: AwaitedCalls) -> None:
        super().__init__(partial(awaited.expect, begin=self.begin))
        self._limit = limit
        self._answering = ThreadPoolExecutor(threads, thread_name_prefix="call")

    def begin(self, call: AcceptedCall, message: Any) -> None:
        """Queue a call whose message is there."""
        if self._limit.enter():
            self._answering.submit(self._answer, call, message)
        else:
            self._limit.refuse(call)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the threads when they have answered what was accepted."""
        self._answering.shutdown(wait, cancel_futures=cancel_futures)

    def _answer(self, call: AcceptedCall, message: Any) -> None:
        try:
            if call.is_active():  # it may have waited for its thread
                call.answer(message)
        finally:
            self._limit.leave()
