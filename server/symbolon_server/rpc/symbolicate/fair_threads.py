"""Threads that several lines of work share, each line's next piece in turn."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

Work = Callable[[], None]


class WorkLine:
    """The work of one of those who share threads, in its order; `FairThreads` owns it."""

    def __init__(self) -> None:
        self.works: deque[Work] = deque()


class FairThreads:
    """At most `threads` threads; who has much work waits for his own, not the others for him.

    Lines with work stand in a row. A free thread takes the first piece of the first line, which
    then goes to the end of the row. One lock guards all lines, held for microseconds.
    """

    def __init__(self, threads: int, name: str) -> None:
        """Start threads when they are needed; their names begin with `name`."""
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._lock = threading.Lock()
        self._row: deque[WorkLine] = deque()

    def submit(self, line: WorkLine, work: Work) -> None:
        """Have `work` done, behind what `line` has asked for before; it must not raise."""
        with self._lock:
            if not line.works:
                self._row.append(line)
            line.works.append(work)
        self._threads.submit(self._work_one)

    def close(self) -> None:
        """Do what was asked for and end the threads."""
        self._threads.shutdown()

    def _work_one(self) -> None:
        """Do one piece of work: there is one for each time that this is called."""
        with self._lock:
            line = self._row.popleft()
            work = line.works.popleft()
            if line.works:
                self._row.append(line)
        work()
