"""`symbolon symbolicate FILE`: reports in, answers out."""

import argparse
import gc
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from symbolon._batching.progress import Tell
from symbolon.client import Client
from symbolon.command_line.parsers import PARTLY_REFUSED, SUCCESS, Command, parse_wait
from symbolon.command_line.reading import raw_lines
from symbolon.command_line.reading.inputs import (
    Input,
    InputKind,
    name_input,
    open_input,
    read_input,
    skip,
)
from symbolon.command_line.reading.report_lines import Answered, LineReport, collect, read_reports
from symbolon.command_line.showing.outputs import Output, open_output
from symbolon.command_line.showing.progress import report_progress
from symbolon.command_line.showing.writing import Write, choose_writer
from symbolon.errors import InvalidReportError

NEW_OBJECTS = 20_000
"""Garbage collection threshold. A line of 300 frames makes 500 lists, none of them in a cycle: with
Python's default of 700 the collector takes a fifth of the time."""

SWITCH_SECONDS = 0.0005
"""How long the writing thread may wait for its turn. Python's default is ten times as long: time to
write everything that is made meanwhile."""

REMEMBER_SECONDS = 60.0
"""Modules can be invalidated during a run, but rarely are within a minute."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", metavar="FILE", nargs="?", default="-", help="the reports; - reads standard input"
    )
    _add_forms(parser)
    _add_lookup(parser)


def _add_forms(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("input and output")
    group.add_argument(
        "--format",
        choices=("json", "v5", "v4", "text"),
        default="json",
        help="JSON of the version of the input, JSON of one version, or text for people "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--json", action="store_const", const="json", dest="format", help="as --format json"
    )
    group.add_argument(
        "--lines", action="store_true", help="each line is a report, even if there is only one"
    )
    group.add_argument(
        "--output",
        type=Path,
        metavar="OUT",
        help="append one line of JSON to this file for each line of the input, skipping as many "
        "lines of the input as the file already has",
    )
    group.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        help="show progress on standard error (default: on a terminal)",
    )
    group.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="colours of --format text (default: on a terminal)",
    )
    group.add_argument(
        "--full-paths", action="store_true", help="print source files as the symbol file has them"
    )


def _add_lookup(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("lookup")
    group.add_argument(
        "--max-wait",
        type=parse_wait,
        metavar="SECONDS",
        help="how long to wait for modules that are not ready; 0 answers at once "
        "(default: until shortly before the deadline)",
    )
    group.add_argument(
        "--remember",
        type=parse_wait,
        default=REMEMBER_SECONDS,
        metavar="SECONDS",
        help="how long to remember frames of modules that were found, instead of requesting them "
        "for each report; 0 requests every frame (default: %(default)s)",
    )
    group.add_argument(
        "--return-addresses",
        action="store_true",
        help="the offsets of all frames but the innermost are return addresses, "
        "to be looked up one byte before",
    )
    group.add_argument(
        "--strict",
        action="store_true",
        help="reject a report with an invalid module or frame, or with a path, as Eliot does "
        "(default: answer the rest, and list what was not looked up in 'errors')",
    )
    group.add_argument(
        "--debug", action="store_true", help="add 'debug' to version 5: lookups, fetches, times"
    )


def run(client: Client, options: argparse.Namespace) -> int:
    """Print or write the answers."""
    if options.output is not None and options.format == "text":
        raise InvalidReportError("--output writes one line per report, which --format text is not")
    with open_input(options.file) as opened:
        given = read_input(opened, are_lines=options.lines or options.output is not None)
        if given.kind is InputKind.RAW:
            return raw_lines.run(client, given.parts, options)
        write = choose_writer(client, options, are_lines=given.kind is InputKind.LINES)
        if given.kind is InputKind.DOCUMENT:
            return _run_document(client, given, options, write)
        with tune_python(), open_output(options.output) as output:
            parts = skip(given.parts, output.lines)
            reports = read_reports(parts, options, first=output.lines + 1)
            with report_progress(measure(opened), opened.tell, is_wanted=options.progress) as tell:
                return _write_all(ask(client, reports, options, tell), write, output)


@contextmanager
def tune_python() -> Iterator[None]:
    """Collect garbage less often, and switch threads more often."""
    threshold, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.set_threshold(NEW_OBJECTS)
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        yield
    finally:
        gc.set_threshold(*threshold)
        sys.setswitchinterval(interval)


def _run_document(client: Client, given: Input, options: argparse.Namespace, write: Write) -> int:
    reports = read_reports(given.parts, options, name=name_input(options.file))
    for answered in ask(client, reports, options):
        if answered.error is not None:
            raise answered.error
        print(write(answered).decode())
    return SUCCESS


def _write_all(documents: Iterable[Answered], write: Write, output: Output) -> int:
    refused = 0
    for answered in documents:
        output.write(write(answered))
        refused += answered.error is not None
    return PARTLY_REFUSED if refused else SUCCESS


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
        remember_seconds=options.remember,
        progress=tell,
    )
    return collect(results)


def measure(opened: BinaryIO) -> int:
    """Return the size of the input in bytes, 0 if it is not known before its end."""
    return Path(opened.name).stat().st_size if opened.seekable() else 0


COMMAND = Command(
    "symbolicate",
    "symbolicate the stacks of crash reports",
    "Symbolicates crash reports in the JSON of Tecken's and Eliot's API, version 5 or 4: one "
    "document, or one per line. Also raw lines such as 'xul.pdb/44E4...C2 0x1a2f', and what "
    "minidump-stackwalk, sanitizers, Android, Apple, glibc and perf print. Unpacks gzip and zstd.",
    run,
    _add_arguments,
    has_json=False,
)
