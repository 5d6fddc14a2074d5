"""The program's commands and flags, and how it ends."""

import argparse
import os
import sys
from collections.abc import Sequence

from symbolon._calling.options import DEFAULT_TIMEOUT_SECONDS
from symbolon._calling.targets import DEFAULT_TARGET, join_targets
from symbolon.client import Client
from symbolon.command_line import completion, exit_codes
from symbolon.command_line.commands import (
    explain,
    module_commands,
    queue_command,
    server_commands,
    symbolicate,
)
from symbolon.command_line.parsers import Command, ShowVersion
from symbolon.command_line.reading import credentials
from symbolon.command_line.showing.durations import parse_timeout
from symbolon.errors import (
    InvalidCredentialsError,
    InvalidReportError,
    InvalidRequestError,
    InvalidTargetError,
    SymbolonError,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code; `None` takes the process's arguments."""
    parser = make_parser()
    options, others = parser.parse_known_args(arguments)
    if others:
        parser.error(_tell_of_others(others, options))
    if "shell" in options:  # the one command that asks no server
        return completion.write_script(options.shell, parser)
    command: Command = options.command
    try:
        with _connect(options) as client:
            code = command(client, options)
            sys.stdout.flush()
            return code
    except (
        InvalidReportError,
        InvalidRequestError,
        InvalidTargetError,
        InvalidCredentialsError,
    ) as error:
        return _fail(str(error), exit_codes.BAD_INPUT)
    except SymbolonError as error:
        return _fail(f"{error}. {error.advice}", exit_codes.SERVER_TROUBLE)
    except BrokenPipeError:
        # Whoever read our output has seen enough; leave nothing for the interpreter to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_codes.SUCCESS
    except KeyboardInterrupt:
        return _fail("interrupted", exit_codes.INTERRUPTED)


def _tell_of_others(others: Sequence[str], options: argparse.Namespace) -> str:
    """Return what is wrong with arguments that the command does not have."""
    said = f"unrecognized arguments: {' '.join(others)}"
    if "file" not in options or any(other.startswith("-") for other in others):
        return said
    return f"{said}; one FILE at a time, several by `cat FILE FILE | symbolon symbolicate -`"


def _connect(options: argparse.Namespace) -> Client:
    return Client(
        options.target,
        timeout=options.timeout,
        wait_for_ready=options.wait_for_ready,
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
    parser.add_argument("--version", action=ShowVersion)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for add in _ADD:
        add_connection(add(commands))
    completion.add_command(commands)
    return parser


_ADD = (
    symbolicate.add_command,
    module_commands.add_module,
    module_commands.add_prefetch,
    module_commands.add_invalidate,
    module_commands.add_missing,
    queue_command.add_queue,
    explain.add_explain,
    server_commands.add_info,
    server_commands.add_health,
)
"""The commands that ask a server."""


def parse_targets(text: str) -> list[str]:
    """Return addresses that are separated by commas; raises what argparse tells the user."""
    targets = text.split(",")
    try:
        join_targets(targets)
    except InvalidTargetError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return targets


def add_connection(parser: argparse.ArgumentParser) -> None:
    """Add the flags that every command has."""
    parser.epilog = exit_codes.EXPLANATION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    group = parser.add_argument_group("connection")
    group.add_argument(
        "--target",
        type=parse_targets,
        default=DEFAULT_TARGET,
        metavar="ADDRESS",
        help="the server's address, or those of several with commas between (default: %(default)s)",
    )
    group.add_argument(
        "--timeout",
        type=parse_timeout,
        default=DEFAULT_TIMEOUT_SECONDS,
        metavar="SECONDS",
        help="the deadline of each call (default: %(default)g)",
    )
    group.add_argument(
        "--wait-for-ready",
        action="store_true",
        help="wait that long for a server that is not there yet, or not any more",
    )
    credentials.add_flags(group)
