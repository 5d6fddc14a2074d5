"""`symbolon symbolicate FILE`: v5 JSON in, v5 JSON or text out."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from symbolon import tecken
from symbolon.client import Client
from symbolon.command_line.durations import parse_wait
from symbolon.command_line.exit_codes import SUCCESS
from symbolon.errors import InvalidReportError
from symbolon.results import Symbolication
from symbolon.text import write_crash

STANDARD_INPUT = "-"


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Add the command; `commands` is argparse's action, whose type has no public name."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "symbolicate",
        help="symbolicate the stacks of a crash report",
        description="Symbolicates a crash report in the JSON of Tecken's API, version 5.",
    )
    parser.set_defaults(command=run)
    parser.add_argument("file", metavar="FILE", help="the report; - reads standard input")
    parser.add_argument(
        "--format",
        choices=("json", "text"),
        default="json",
        help="v5 JSON, or a crash as people read it (default: %(default)s)",
    )
    parser.add_argument(
        "--max-wait",
        type=parse_wait,
        metavar="SECONDS",
        help="how long to wait for modules that are not ready; 0 answers at once "
        "(default: until shortly before the deadline)",
    )
    parser.add_argument(
        "--return-addresses",
        action="store_true",
        help="the offsets of all frames but the innermost are return addresses, "
        "to be looked up one byte before",
    )
    return parser


def run(client: Client, options: argparse.Namespace) -> int:
    """Print the symbolicated report."""
    jobs = tecken.parse_jobs(read_json(options.file))
    answers = [
        client.symbolicate(
            job.modules,
            tecken.make_stacks(job, are_return_addresses=options.return_addresses),
            options.max_wait,
        )
        for job in jobs
    ]
    print(write_text(jobs, answers) if options.format == "text" else write_json(jobs, answers))
    return SUCCESS


def read_json(file: str) -> object:
    """Return the content of a file, or of standard input."""
    try:
        source = sys.stdin.buffer if file == STANDARD_INPUT else None
        data = Path(file).read_bytes() if source is None else source.read()
        return json.loads(data)
    except OSError as error:
        raise InvalidReportError(f"cannot read {file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidReportError(f"{file} is not valid JSON: {error}") from error


def write_json(jobs: Sequence[tecken.Job], answers: Sequence[Symbolication]) -> str:
    """Return the v5 response, indented only for people."""
    results = [tecken.write_result(job, answer) for job, answer in zip(jobs, answers, strict=True)]
    return json.dumps({"results": results}, indent=2 if sys.stdout.isatty() else None)


def write_text(jobs: Sequence[tecken.Job], answers: Sequence[Symbolication]) -> str:
    """Return each report's stacks, under a heading where there are several reports."""
    parts = [write_crash(job.modules, answer) for job, answer in zip(jobs, answers, strict=True)]
    if len(parts) > 1:
        parts = [f"Report {number}\n\n{part}" for number, part in enumerate(parts)]
    return "\n\n".join(part.rstrip() for part in parts)
