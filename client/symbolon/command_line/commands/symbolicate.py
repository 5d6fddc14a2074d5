"""`symbolon symbolicate FILE`: reports in, answers out."""

import argparse
from pathlib import Path

from symbolon._forms.inputs import Input, InputKind, read_input
from symbolon.client import Client
from symbolon.command_line.parsers import SUCCESS, Command, parse_count, parse_wait
from symbolon.command_line.reading import raw_lines
from symbolon.command_line.reading.files import name_input, open_input
from symbolon.command_line.reading.report_lines import read_reports
from symbolon.command_line.sharing.answering import ask
from symbolon.command_line.sharing.runs import MOST_PROCESSES, plan
from symbolon.command_line.showing.writing import choose_writer
from symbolon.errors import InvalidReportError

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
        "--processes",
        type=parse_count,
        metavar="N",
        help="how many processes share the lines of a file; standard input always has one "
        f"(default: one per usable core, at most {MOST_PROCESSES}, if the file is large)",
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
        run_of_lines = plan(options, opened)
        are_lines = options.lines or options.output is not None
        given = read_input(run_of_lines.input, are_lines=are_lines)
        if given.kind is InputKind.RAW:
            return raw_lines.run(client, given.parts, options)
        if given.kind is InputKind.DOCUMENT:
            return _run_document(client, given, options)
        return run_of_lines.run(client, given.parts)


def _run_document(client: Client, given: Input, options: argparse.Namespace) -> int:
    write = choose_writer(client, options, are_lines=False)
    reports = read_reports(enumerate(given.parts, 1), options, name=name_input(options.file))
    for answered in ask(client, reports, options):
        if answered.error is not None:
            raise answered.error
        print(write(answered).decode())
    return SUCCESS


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
