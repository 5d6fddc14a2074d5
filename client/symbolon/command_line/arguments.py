"""The program's commands and flags, and how it ends."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from symbolon.client import Client
from symbolon.command_line import credentials, exit_codes, facts, symbolicate
from symbolon.command_line.durations import parse_timeout
from symbolon.errors import (
    InvalidCredentialsError,
    InvalidReportError,
    InvalidRequestError,
    SymbolonError,
)
from symbolon.options import DEFAULT_TIMEOUT_SECONDS
from symbolon.targets import DEFAULT_TARGET

Command = Callable[[Client, argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code; `None` takes the process's arguments."""
    options = make_parser().parse_args(arguments)
    command: Command = options.command
    try:
        with _connect(options) as client:
            code = command(client, options)
            sys.stdout.flush()
            return code
    except (InvalidReportError, InvalidRequestError, InvalidCredentialsError) as error:
        return _fail(str(error), exit_codes.BAD_INPUT)
    except SymbolonError as error:
        return _fail(f"{error}. {error.advice}", exit_codes.SERVER_TROUBLE)
    except BrokenPipeError:
        # Whoever read our output has seen enough; leave nothing for the interpreter to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_codes.SUCCESS
    except KeyboardInterrupt:
        return _fail("interrupted", 128 + 2)


def _connect(options: argparse.Namespace) -> Client:
    return Client(
        options.target,
        timeout=options.timeout,
        credentials=credentials.read_tls(options),
        token=credentials.read_token(options, os.environ),
        options=credentials.read_options(options),
    )


def _fail(message: str, code: int) -> int:
    """Tell the one line that says what went wrong."""
    print(f"symbolon: {' '.join(message.split())}", file=sys.stderr)
    return code


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; each sets `command`."""
    parser = argparse.ArgumentParser(
        prog="symbolon",
        description="Asks a Symbolon server.",
        epilog=exit_codes.EXPLANATION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for add in (symbolicate.add_command, facts.add_module, facts.add_info, facts.add_health):
        add_connection(add(commands))
    return parser


def add_connection(parser: argparse.ArgumentParser) -> None:
    """Add the flags that every command has."""
    parser.epilog = exit_codes.EXPLANATION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    group = parser.add_argument_group("connection")
    group.add_argument(
        "--target",
        default=DEFAULT_TARGET,
        help="the server's address (default: %(default)s)",
    )
    group.add_argument(
        "--timeout",
        type=parse_timeout,
        default=DEFAULT_TIMEOUT_SECONDS,
        metavar="SECONDS",
        help="the deadline of each call (default: %(default)g)",
    )
    credentials.add_flags(group)
