"""The progress of a long run, on standard error: a bar if rich is installed, else a line."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from symbolon._batching.progress import Progress, Tell

ReadBytes = Callable[[], int]
"""Returns how many bytes of the input have been read."""

SECONDS_BETWEEN_LINES = 10.0
SECONDS_BETWEEN_CHANGES = 0.2


@contextmanager
def report_progress(
    total_bytes: int, read_bytes: ReadBytes, *, is_wanted: bool | None
) -> Iterator[Tell]:
    """Yield the function to call with the progress; `total_bytes` is 0 if not known.

    `is_wanted` says whether to print it; `None`: only on a terminal.
    """
    is_terminal = sys.stderr.isatty()
    if is_wanted is False or (is_wanted is None and not is_terminal):
        yield lambda _: None
    elif is_terminal and (bar := make_bar(total_bytes, read_bytes)) is not None:
        with bar as tell:
            yield tell
    else:
        pause = SECONDS_BETWEEN_CHANGES if is_terminal else SECONDS_BETWEEN_LINES
        line = ProgressLine(total_bytes, read_bytes, pause, stays=not is_terminal)
        yield line.tell
        line.finish()


class ProgressLine:
    """One line that is overwritten, or one after the other where that is not possible."""

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
        self._started = self._printed = clock()
        self._progress = Progress()

    def tell(self, progress: Progress) -> None:
        """Note the progress; print it if the last time is long enough ago."""
        self._progress = progress
        if self._clock() - self._printed >= self._pause:
            self._print()

    def finish(self) -> None:
        """Print the final progress."""
        self._print()
        if not self._stays:
            sys.stderr.write("\n")

    def _print(self) -> None:
        self._printed = self._clock()
        seconds = max(self._printed - self._started, 1e-6)
        done = self._progress
        share = f", {100 * self._read() / self._total:.0f} % of the input" if self._total else ""
        text = (
            f"{done.reports:,} reports, {done.refused:,} refused{share}, "
            f"{done.frames / seconds:,.0f} frames/s"
        )
        sys.stderr.write(f"{text}\n" if self._stays else f"\r\x1b[2K{text}")
        sys.stderr.flush()


def make_bar(total_bytes: int, read_bytes: ReadBytes) -> AbstractContextManager[Tell] | None:
    """Return a bar that yields what moves it; `None` if rich is not installed."""
    try:
        from rich import progress as drawn  # noqa: PLC0415 # only the extra `cli` installs it
        from rich.console import Console  # noqa: PLC0415 # the same
    except ImportError:
        return None
    bar = drawn.Progress(
        drawn.TextColumn("{task.fields[reports]:,} reports, {task.fields[refused]:,} refused"),
        drawn.BarColumn(),
        drawn.TaskProgressColumn(),
        drawn.TextColumn("{task.fields[pace]:,.0f} frames/s"),
        drawn.TimeElapsedColumn(),
        drawn.TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    task = bar.add_task("", total=total_bytes or None, reports=0, refused=0, pace=0)

    def tell(progress: Progress) -> None:
        seconds = bar.tasks[0].elapsed or 1e-6
        bar.update(
            task,
            completed=read_bytes() if total_bytes else progress.reports,
            reports=progress.reports,
            refused=progress.refused,
            pace=progress.frames / seconds,
        )

    @contextmanager
    def show() -> Iterator[Tell]:
        with bar:
            yield tell

    return show()
