"""Threads shared by several queues of work, which take turns."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

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
