"""Threads for calls: those that count as load, and those beside them."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from symbolon_server.telemetry.metrics import BEFORE_READING, CALLS_IN_FLIGHT

P = ParamSpec("P")
T = TypeVar("T")


class CallPool(ThreadPoolExecutor):
    """The threads that answer calls; knows how many calls it holds, queued ones included.

    gRPC gives every accepted call to its pool exactly once, whatever becomes of the call
    later, so that this is the one place where counting cannot leak.
    """

    def __init__(self, threads: int) -> None:
        super().__init__(max_workers=threads, thread_name_prefix="call")
        self._lock = threading.Lock()
        self._calls = 0
        self._told_calls = 0
        BEFORE_READING.add(self._tell_calls)

    @property
    def calls(self) -> int:
        """Number of calls accepted and not ended."""
        return self._calls

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Queue a call, counted from now until it ends."""
        with self._lock:
            self._calls += 1
        try:
            return super().submit(self._run, fn, args, kwargs)
        except RuntimeError:  # the pool is shut down
            self._leave()
            raise

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the threads when they have answered what was accepted; once."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        BEFORE_READING.remove(self._tell_calls)
        self._tell_calls()

    def _run(self, fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        try:
            return fn(*args, **kwargs)
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._calls -= 1

    def _tell_calls(self) -> None:
        """Bring the metric up to date, which other pools may share."""
        with self._lock:
            grown, self._told_calls = self._calls - self._told_calls, self._calls
        CALLS_IN_FLIGHT.inc(grown)


@dataclass(frozen=True)
class InPool:
    """A method's behaviour that runs in a pool of its own instead of the server's.

    gRPC looks for the attribute `experimental_thread_pool` on each behaviour.
    """

    behavior: Callable[[Any, Any], Any]
    experimental_thread_pool: ThreadPoolExecutor

    def __call__(self, request: Any, context: Any) -> Any:
        """Answer as the behaviour does."""
        return self.behavior(request, context)
