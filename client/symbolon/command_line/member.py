"""The program of a member of a crew that is not the first, see `sharing`."""

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from threading import Thread

from symbolon._batching.progress import Progress
from symbolon.command_line.arguments import make_parser
from symbolon.command_line.reading.credentials import connect
from symbolon.command_line.sharing.assignments import Assignment, Done, Failed, News, send
from symbolon.command_line.sharing.runs import end_with_crew, join_run
from symbolon.errors import SymbolonError

_SECONDS_BETWEEN_NEWS = 0.2


def main() -> None:
    """Answer the lines that are assigned by the first argument, with the flags in the others."""
    Thread(target=_end_with_standard_input, daemon=True).start()
    assignment = Assignment.read(sys.argv[1])
    options = make_parser().parse_args(sys.argv[2:])
    with Connection(assignment.news, readable=False) as first_member:
        reporter = Reporter(lambda news: send(first_member, news))
        try:
            with connect(options) as client:
                end: News = Done(join_run(client, options, assignment, reporter.tell))
        except (SymbolonError, BrokenPipeError) as error:
            end = Failed(error)
        with suppress(BrokenPipeError):
            reporter.finish(end)


class Reporter:
    """Sends the progress now and then, and how it ended."""

    def __init__(
        self, send_news: Callable[[News], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._send = send_news
        self._clock = clock
        self._progress = Progress()
        self._due = clock()

    def tell(self, progress: Progress) -> None:
        """Send the progress if the last is long enough ago."""
        self._progress = progress
        if self._clock() >= self._due:
            self._due = self._clock() + _SECONDS_BETWEEN_NEWS
            self._send(progress)

    def finish(self, end: News) -> None:
        """Send the last progress, and the end."""
        self._send(self._progress)
        self._send(end)


def _end_with_standard_input() -> None:
    """Wait for the end of the first member, which holds the other end of this pipe."""
    os.read(sys.stdin.fileno(), 1)
    end_with_crew()


if __name__ == "__main__":
    main()
