"""A progress bar, drawn by rich."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress

from symbolon._batching.progress import Progress


@contextmanager
def show_bar(
    total_bytes: int, read_bytes: Callable[[], int]
) -> Iterator[Callable[[Progress], None]]:
    """Show a bar on standard error, and give what moves it."""
    bar = RichProgress(
        TextColumn("{task.fields[reports]:,} reports, {task.fields[refused]:,} refused"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[pace]:,.0f} frames/s"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
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

    with bar:
        yield tell
