"""How far a long run is, on standard error: a bar where rich is installed, else a line."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from symbolon._batching.progress import Progress

Tell = Callable[[Progress], None]
ReadBytes = Callable[[], int]

SECONDS_BETWEEN_LINES = 10.0
SECONDS_BETWEEN_CHANGES = 0.2


def say_nothing(progress: Progress) -> None:
    """Say nothing."""


@contextmanager
def report_progress(
    total_bytes: int, read_bytes: ReadBytes, *, is_wanted: bool | None
) -> Iterator[Tell]:
    """Give what tells how far it is, of so many bytes of input (0: nobody knows).

    `is_wanted` says whether to tell; `None`: if somebody watches.
    """
    is_watched = sys.stderr.isatty()
    if is_wanted is False or (is_wanted is None and not is_watched):
        yield say_nothing
    elif is_watched and (bar := make_bar(total_bytes, read_bytes)) is not None:
        with bar as tell:
            yield tell
    else:
        pause = SECONDS_BETWEEN_CHANGES if is_watched else SECONDS_BETWEEN_LINES
        line = ProgressLine(total_bytes, read_bytes, pause, stays=not is_watched)
        yield line.tell
        line.finish()


class ProgressLine:
    """One line that is written again and again, or one after the other where that cannot be."""

    def __init__(
        self,
        total_bytes: int,
        read_bytes: ReadBytes,
        pause: float,
        *,
        stays: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total = total_bytes
        self._read = read_bytes
        self._pause = pause
        self._stays = stays
        self._clock = clock
        self._started = self._told = clock()
        self._progress = Progress()

    def tell(self, progress: Progress) -> None:
        """Take note of how far it is, and say so now and then."""
        self._progress = progress
        if self._clock() - self._told >= self._pause:
            self._say()

    def finish(self) -> None:
        """Say how far it came."""
        self._say()
        if not self._stays:
            sys.stderr.write("\n")

    def _say(self) -> None:
        self._told = self._clock()
        seconds = max(self._told - self._started, 1e-6)
        done = self._progress
        share = f", {100 * self._read() / self._total:.0f} % of the input" if self._total else ""
        text = (
            f"{done.reports:,} reports, {done.refused:,} refused{share}, "
            f"{done.frames / seconds:,.0f} frames/s"
        )
        sys.stderr.write(f"{text}\n" if self._stays else f"\r\x1b[2K{text}")
        sys.stderr.flush()


def make_bar(total_bytes: int, read_bytes: ReadBytes) -> AbstractContextManager[Tell] | None:
    """Return a bar; `None` where rich is not installed."""
    try:
        from symbolon.command_line.showing.drawn_bars import show_bar  # noqa: PLC0415 # which needs rich
    except ImportError:
        return None
    return show_bar(total_bytes, read_bytes)
