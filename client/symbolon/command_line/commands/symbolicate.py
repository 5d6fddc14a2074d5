"""`symbolon symbolicate FILE`: reports in, answers out."""

import argparse
import gc
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from symbolon.client import Client
from symbolon.command_line.exit_codes import PARTLY_REFUSED, SUCCESS
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
from symbolon.command_line.showing.durations import parse_wait
from symbolon.command_line.showing.outputs import Output, open_output
from symbolon.command_line.showing.reporting import report_progress
from symbolon.command_line.showing.writing import Write, choose_writer
from symbolon.errors import InvalidReportError

NEW_OBJECTS = 20_000
"""Until Python looks for cycles among them. A line of 300 frames makes 500 lists, none of them in
a cycle: to look after each 700 new objects takes a fifth of the time."""

SWITCH_SECONDS = 0.0005
"""How long the thread that writes waits for its turn to write more: by itself Python lets it wait
ten times as long, in which everything that is made meanwhile could be written."""

REMEMBER_SECONDS = 60.0
"""What a run was answered can be invalidated meanwhile, but within a minute it seldom is."""


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Add the command; `commands` is argparse's action, whose type has no public name."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "symbolicate",
        help="symbolicate the stacks of crash reports",
        description="Symbolicates crash reports in the JSON of Tecken's and Eliot's API, version 5 "
        "or 4: one document, or one a line. Also raw lines such as 'xul.pdb/44E4...C2 0x1a2f'.",
    )
    parser.set_defaults(command=run)
    parser.add_argument(
        "file", metavar="FILE", nargs="?", default="-", help="the reports; - reads standard input"
    )
    _add_forms(parser)
    _add_asking(parser)
    return parser


def _add_forms(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("input and output")
    group.add_argument(
        "--format",
        choices=("json", "v5", "v4", "text"),
        default="json",
        help="the JSON of the version that is asked in, or of one version, or a crash as people "
        "read it (default: %(default)s)",
    )
    group.add_argument(
        "--json", action="store_const", const="json", dest="format", help="as --format json"
    )
    group.add_argument(
        "--lines", action="store_true", help="each line is a report, also if there is one only"
    )
    group.add_argument(
        "--output",
        type=Path,
        metavar="OUT",
        help="write one line of JSON for each line of the input to the end of this file; the lines "
        "that are there already are not asked again",
    )
    group.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        help="tell on standard error how far it is (default: on a terminal)",
    )
    group.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="colours of --format text (default: on a terminal)",
    )
    group.add_argument(
        "--full-paths", action="store_true", help="leave source files as the symbol file has them"
    )


def _add_asking(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("asking")
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
        help="for how long a frame of a module that was found is not asked again, however many "
        "reports have it; 0 asks for each (default: %(default)s)",
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
        help="refuse a report of which a module or frame cannot be asked, or has a path, as Eliot "
        "does (default: answer all others, and say in 'errors' what was not asked)",
    )
    group.add_argument(
        "--debug", action="store_true", help="add 'debug' to version 5: lookups, fetches, times"
    )


def run(client: Client, options: argparse.Namespace) -> int:
    """Print or write the answers."""
    if options.output is not None and options.format == "text":
        raise InvalidReportError("--output takes one line a report: not text")
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
    """Let Python look for cycles less often, and let the thread that writes go on sooner."""
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
        answered.raise_error()
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
    tell: Any = None,
) -> Iterator[Answered]:
    """Yield what becomes of each document."""
    results = client.symbolicate_many(
        reports,
        options.max_wait,
        with_diagnostics=options.debug,
        remember_seconds=options.remember,
        progress=tell,
    )
    return collect(results)


def measure(opened: BinaryIO) -> int:
    """Return the size of the input in bytes, 0 when that is not known before its end."""
    return Path(opened.name).stat().st_size if opened.seekable() else 0
