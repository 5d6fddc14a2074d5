"""`symbolon symbolicate FILE`: reports in, answers out."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from symbolon._forms.inputs import Input, InputKind, read_input
from symbolon.client import Client
from symbolon.command_line.commands.symbolicate_flags import add_flags
from symbolon.command_line.parsers import SUCCESS, Command, parse_count
from symbolon.command_line.reading import raw_lines
from symbolon.command_line.reading.files import name_input, open_input
from symbolon.command_line.reading.report_lines import LineReport, read_reports
from symbolon.command_line.sharing.answering import ask
from symbolon.command_line.sharing.runs import MOST_PROCESSES, plan
from symbolon.command_line.showing.writing import choose_writer
from symbolon.errors import InvalidReportError

Answer = Callable[[Client], int]
"""Prints or writes the answers of a server; returns the exit code."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_flags(parser, longest_wait="until shortly before the deadline", add_sharing=_add_sharing)


def _add_sharing(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--processes",
        type=parse_count,
        metavar="N",
        help="how many processes share the lines of a file; standard input always has one "
        f"(default: one per usable core, at most {MOST_PROCESSES}, if the file is large)",
    )


def run(client: Client, options: argparse.Namespace) -> int:
    """Print or write the answers."""
    with open_reports(options) as answer:
        return answer(client)


@contextmanager
def open_reports(options: argparse.Namespace) -> Iterator[Answer]:
    """Read a document, or the beginning of an input of many lines; yield what answers it.

    Raises `InvalidReportError` for an input of which nothing could be answered, before any server
    is needed.
    """
    if options.output is not None and options.format == "text":
        raise InvalidReportError("--output writes one line per report, which --format text is not")
    with open_input(options.file) as opened:
        run_of_lines = plan(options, opened)
        are_lines = options.lines or options.output is not None
        given = read_input(run_of_lines.input, are_lines=are_lines)
        if given.kind is InputKind.RAW:
            yield lambda client: raw_lines.run(client, given.parts, options)
        elif given.kind is InputKind.DOCUMENT:
            reports = _read_document(given, options)
            yield lambda client: _answer_document(client, reports, options)
        else:
            yield lambda client: run_of_lines.run(client, given.parts)


def _read_document(given: Input, options: argparse.Namespace) -> Sequence[LineReport]:
    """Return the reports of a document; raise `InvalidReportError` if it is malformed."""
    name = name_input(options.file)
    reports = list(read_reports(enumerate(given.parts, 1), options, name=name))
    for report in reports:
        if report.error is not None:
            raise report.error
    return reports


def _answer_document(
    client: Client, reports: Sequence[LineReport], options: argparse.Namespace
) -> int:
    write = choose_writer(client, options, are_lines=False)
    for answered in ask(client, iter(reports), options):
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
