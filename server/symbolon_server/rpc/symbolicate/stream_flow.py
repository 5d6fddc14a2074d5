"""What one stream holds: requests that were taken, and answers to be sent."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FlowLimits:
    """How much a stream may hold before it takes another request."""

    max_requests: int
    """Requests that were taken and whose answers are not sent yet."""

    max_bytes: int
    """Of these requests while they have no answer, then of their answers."""

    idle_seconds: float = 60.0
    """How long a stream without pending requests stays open when its caller sends nothing."""


class StreamFlow:
    """The flow of requests through one stream, bounded whatever its caller does.

    One thread takes requests, any number answer them, one sends the answers. Back-pressure: a
    caller that does not read blocks the sender, which blocks the taker, so that HTTP/2 flow control
    stops the caller. One lock guards everything; two conditions on it wake taker and sender.
    """

    def __init__(self, limits: FlowLimits, clock: Callable[[], float] = time.monotonic) -> None:
        """Hold nothing yet."""
        self._limits = limits
        self._clock = clock
        self._moved_at = clock()
        self._is_idle = False
        lock = threading.Lock()
        self._may_take = threading.Condition(lock)
        self._may_send = threading.Condition(lock)
        self._ready: deque[bytes] = deque()
        self._requests = 0
        self._bytes = 0
        self._sending = False
        self._is_at_end = False
        self._is_stopped = False
        self._is_closed = False
        self._waits: set[Callable[[], None]] = set()

    @property
    def is_closed(self) -> bool:
        """Whether the caller has left."""
        return self._is_closed

    @property
    def is_cut_short(self) -> bool:
        """Whether the stream was stopped before its caller sent the last request."""
        return self._is_stopped and not self._is_at_end

    @property
    def is_idle(self) -> bool:
        """Whether the stream ended because its caller sent nothing for too long."""
        return self._is_idle

    def is_stuck(self) -> bool:
        """Return whether the caller has left an answer unread for too long."""
        with self._may_send:
            return self._sending and self._idle_seconds_left() <= 0

    def wait_for_room(self) -> bool:
        """Wait until another request may be taken; return False if the stream has ended."""
        with self._may_take:
            self._may_take.wait_for(lambda: self._has_ended() or self._has_room())
            return not self._has_ended()

    def take(self, request_bytes: int) -> bool:
        """Count a request; return False if it came too late and must be dropped."""
        with self._may_take:
            if self._has_ended():
                return False
            self._moved_at = self._clock()
            self._requests += 1
            self._bytes += request_bytes
            return True

    def put(self, request_bytes: int, answer: bytes) -> None:
        """Queue the answer to a request for sending."""
        with self._may_send:
            self._bytes += len(answer) - request_bytes
            self._ready.append(answer)
            self._may_send.notify()
            if self._has_room():
                self._may_take.notify()

    def answers(self) -> Iterator[bytes]:
        """Yield answers as they get ready; each counts as sent when the next is requested.

        Ends after the answer to the last request, or when the stream is closed or idle.
        """
        sent_bytes = None
        while True:
            with self._may_send:
                if sent_bytes is not None:
                    self._leave(sent_bytes)
                self._wait_to_send()
                if self._is_closed or not self._ready:
                    return
                answer = self._ready.popleft()
                self._sending = True
            yield answer
            sent_bytes = len(answer)

    def _wait_to_send(self) -> None:
        """Wait for an answer or the end of the stream; end the stream if it is idle."""
        while not (self._ready or self._is_over()):
            left = None if self._requests else self._idle_seconds_left()
            if left is not None and left <= 0:
                self._is_idle = self._is_stopped = True
                self._may_take.notify()
                return
            self._may_send.wait(left)

    def end(self) -> None:
        """Note that the caller has sent the last request."""
        with self._may_send:
            self._is_at_end = True
            self._may_send.notify()

    def stop(self) -> None:
        """Take no more requests, and end after those that were taken are answered."""
        with self._may_send:
            self._is_stopped = True
            self._may_send.notify()
            self._may_take.notify()

    def close(self) -> None:
        """Drop everything and stop all waits: the caller is gone."""
        with self._may_send:
            self._is_closed = True
            waits = list(self._waits)
            self._ready.clear()
            self._may_send.notify()
            self._may_take.notify()
        for stop in waits:
            stop()

    @contextmanager
    def waiting(self, stop: Callable[[], None]) -> Iterator[None]:
        """Call `stop` if the stream is closed, before or within the context."""
        with self._may_send:
            self._waits.add(stop)
            is_closed = self._is_closed
        if is_closed:
            stop()
        try:
            yield
        finally:
            with self._may_send:
                self._waits.discard(stop)

    def _has_room(self) -> bool:
        return self._requests < self._limits.max_requests and self._bytes < self._limits.max_bytes

    def _has_ended(self) -> bool:
        return self._is_closed or self._is_stopped

    def _idle_seconds_left(self) -> float:
        return self._moved_at + self._limits.idle_seconds - self._clock()

    def _is_over(self) -> bool:
        """Whether no more answers will come."""
        is_last = self._is_at_end or self._is_stopped
        return self._is_closed or (is_last and self._requests == 0)

    def _leave(self, sent_bytes: int) -> None:
        self._moved_at = self._clock()
        self._sending = False
        self._requests -= 1
        self._bytes -= sent_bytes
        self._may_take.notify()


Work = Callable[[], None]


class WorkQueue:
    """The queued work of one stream, in order; `FairThreads` owns it."""

    def __init__(self) -> None:
        self.works: deque[Work] = deque()


class FairThreads:
    """A pool of threads in which a long queue delays only itself.

    Queues with work wait in a row. A free thread takes the first piece of the first queue, which
    then moves to the end of the row. One lock guards all queues and is held for microseconds.
    """

    def __init__(self, threads: int, name: str) -> None:
        """Start up to `threads` threads as needed; their names begin with `name`."""
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._lock = threading.Lock()
        self._row: deque[WorkQueue] = deque()

    def submit(self, queue: WorkQueue, work: Work) -> None:
        """Run `work` after all earlier work of `queue`; it must not raise."""
        with self._lock:
            if not queue.works:
                self._row.append(queue)
            queue.works.append(work)
        self._threads.submit(self._work_one)

    def close(self) -> None:
        """Finish all queued work and end the threads."""
        self._threads.shutdown()

    def _work_one(self) -> None:
        """Run one piece of work: there is one for each time that this is called."""
        with self._lock:
            queue = self._row.popleft()
            work = queue.works.popleft()
            if queue.works:
                self._row.append(queue)
        work()
