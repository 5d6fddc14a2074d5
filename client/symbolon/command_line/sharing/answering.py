"""Answers lines, alone or as one member of a crew."""

import argparse
import gc
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from symbolon._batching.progress import Tell
from symbolon._forms.inputs import Part
from symbolon.client import Client
from symbolon.command_line.reading.report_lines import Answered, LineReport, collect, read_reports
from symbolon.command_line.sharing.blocks import OwnBlocks
from symbolon.command_line.showing.line_writer import TurnLostError
from symbolon.command_line.showing.outputs import Output
from symbolon.command_line.showing.writing import choose_writer
from symbolon.errors import SymbolonError

NEW_OBJECTS = 20_000
"""Garbage collection threshold. A line of 300 frames makes 500 lists, none of them in a cycle: with
Python's default of 700 the collector takes a fifth of the time."""

SWITCH_SECONDS = 0.0005
"""How long the writing thread may wait for its turn. Python's default is ten times as long: time to
write everything that is made meanwhile."""


def ask(
    client: Client,
    reports: Iterator[LineReport],
    options: argparse.Namespace,
    tell: Tell | None = None,
) -> Iterator[Answered]:
    """Yield each document with its answers."""
    results = client.symbolicate_many(
        reports,
        options.max_wait,
        with_diagnostics=options.debug,
        with_linkage_names=options.linkage_names,
        remember_seconds=options.remember,
        progress=tell,
    )
    return collect(results)


def answer_lines(
    client: Client,
    parts: Iterable[Part],
    options: argparse.Namespace,
    output: Output,
    tell: Tell,
    *,
    first: int,
    blocks: OwnBlocks,
) -> bool:
    """Write the answers to the own blocks of lines, numbered from `first`.

    Returns whether some were refused. Lines before one that fails the run are written, too.
    """
    write = choose_writer(client, options, are_lines=True)
    reports = read_reports(blocks.choose(parts, first), options)
    is_partly_refused = False
    with _tune_python():
        try:
            for answered in ask(client, reports, options, tell):
                output.write(write(answered), ends_block=blocks.is_end(answered.number))
                is_partly_refused |= answered.error is not None
        except SymbolonError:
            with suppress(TurnLostError):
                output.finish(ends_run=True)
            raise
        output.finish()
    return is_partly_refused


@contextmanager
def _tune_python() -> Iterator[None]:
    """Collect garbage less often, and switch threads more often."""
    threshold, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.set_threshold(NEW_OBJECTS)
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        yield
    finally:
        gc.set_threshold(*threshold)
        sys.setswitchinterval(interval)
