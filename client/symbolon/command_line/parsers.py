"""What all commands share: how one is declared, how it exits, and durations as flags."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import symbolon
from symbolon.errors import (
    InvalidCredentialsError,
    InvalidReportError,
    InvalidRequestError,
    InvalidTargetError,
    SymbolonError,
)

if TYPE_CHECKING:  # loading it takes longer than parsing
    from symbolon.client import Client

SUCCESS = 0
SERVER_TROUBLE = 1
BAD_INPUT = 2
PARTLY_REFUSED = 3
INTERRUPTED = 130

EXIT_CODES = """\
exit codes:
  0    done; problems with single modules are in the output
  1    the server is unreachable, rejects the caller, is too slow, or is not healthy;
       or a process of the run was killed
  2    wrong usage, or input that is malformed or that the server rejects
  3    done, but some lines of the input were rejected; their output lines say why
  130  interrupted
"""

MAX_SECONDS = 86_400.0

MAX_COUNT = 64


@dataclass(frozen=True, slots=True)
class Command:
    """One command that calls a server."""

    name: str
    summary: str
    """Its line in `symbolon --help`."""

    description: str
    run: Callable[[Client, argparse.Namespace], int]
    """Runs the command and returns the exit code."""

    add_arguments: Callable[[argparse.ArgumentParser], None] | None = None
    has_json: bool = True
    """Whether `--json` is a plain switch of this command."""

    def add_to(self, commands: Any) -> argparse.ArgumentParser:
        """Add its parser; `commands` is argparse's action, whose type has no public name."""
        parser: argparse.ArgumentParser = commands.add_parser(
            self.name,
            help=self.summary,
            description=self.description,
            epilog=EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.set_defaults(run=self.run)
        if self.add_arguments is not None:
            self.add_arguments(parser)
        if self.has_json:
            parser.add_argument("--json", action="store_true", help="print one line of JSON")
        return parser


class ShowVersion(argparse.Action):
    """Prints the version, which is looked up only then: that takes longer than parsing."""

    def __init__(self, **named: Any) -> None:
        super().__init__(nargs=0, help="print the version", **named)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print it and exit."""
        print(f"{parser.prog} {symbolon.__version__}")
        parser.exit()


def report_errors(run: Callable[[], int], program: str = "symbolon") -> int:
    """Return the exit code of `run`; print what it raises as one line of `program`."""
    try:
        code = run()
        sys.stdout.flush()
    except (
        InvalidReportError,
        InvalidRequestError,
        InvalidTargetError,
        InvalidCredentialsError,
    ) as error:
        return _fail(program, str(error), BAD_INPUT)
    except SymbolonError as error:
        return _fail(program, f"{error}. {error.advice}", SERVER_TROUBLE)
    except BrokenPipeError:
        # The reader of our output closed it; leave nothing for the interpreter to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SUCCESS
    except KeyboardInterrupt:
        return _fail(program, "interrupted", INTERRUPTED)
    return code


def _fail(program: str, message: str, code: int) -> int:
    print(f"{program}: {' '.join(message.split())}", file=sys.stderr)
    return code


def parse_count(text: str) -> int:
    """Return a number from 1 to `MAX_COUNT`; raise argparse's error."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_COUNT):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MAX_COUNT}")
    return int(text)


def parse_timeout(text: str) -> float:
    """Return a duration above 0; raise argparse's error."""
    seconds = parse_wait(text)
    if seconds == 0:
        raise argparse.ArgumentTypeError("0 seconds leave no time for an answer")
    return seconds


def parse_wait(text: str) -> float:
    """Return a duration of 0 or more, at most a day; raise argparse's error."""
    try:
        seconds = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
    if not 0 <= seconds <= MAX_SECONDS:  # also rejects nan
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and {MAX_SECONDS:.0f} seconds")
    return seconds
