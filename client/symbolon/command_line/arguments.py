"""The program's commands and flags, and how it exits."""

import argparse
import sys
from collections.abc import Sequence

from symbolon._calling.options import DEFAULT_TIMEOUT_SECONDS
from symbolon._calling.targets import DEFAULT_TARGET, join_targets
from symbolon.command_line.commands import explain, module_commands, server_commands, symbolicate
from symbolon.command_line.commands.completion import add_completion, print_script
from symbolon.command_line.parsers import EXIT_CODES, ShowVersion, parse_timeout, report_errors
from symbolon.command_line.reading import credentials
from symbolon.errors import InvalidTargetError

COMMANDS = (
    symbolicate.COMMAND,
    *module_commands.COMMANDS,
    explain.COMMAND,
    *server_commands.COMMANDS,
)
"""The commands that call a server, in the order of the help."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code; `None` takes the process's arguments."""
    parser = make_parser()
    arguments = sys.argv[1:] if arguments is None else arguments
    options, others = parser.parse_known_args(arguments, argparse.Namespace(arguments=arguments))
    if others:
        parser.error(_describe_unrecognized(others, options))
    if "shell" in options:  # `completion`, which calls no server
        return print_script(options.shell, parser)
    return report_errors(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    with credentials.connect(options) as client:
        code: int = options.run(client, options)
        return code


def _describe_unrecognized(others: Sequence[str], options: argparse.Namespace) -> str:
    said = f"unrecognized arguments: {' '.join(others)}"
    if "file" not in options or any(other.startswith("-") for other in others):
        return said
    return f"{said}; one FILE at a time, several by `cat FILE FILE | symbolon symbolicate -`"


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; each sets `run`."""
    parser = argparse.ArgumentParser(
        prog="symbolon",
        description="Calls a Symbolon server.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=ShowVersion)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        _add_connection(command.add_to(commands))
    add_completion(commands)
    return parser


def _add_connection(parser: argparse.ArgumentParser) -> None:
    """Add the flags that every command has."""
    group = parser.add_argument_group("connection")
    group.add_argument(
        "--target",
        type=_parse_targets,
        default=DEFAULT_TARGET,
        metavar="ADDRESS",
        help="address of the server, or of several, separated by commas (default: %(default)s)",
    )
    group.add_argument(
        "--timeout",
        type=parse_timeout,
        default=DEFAULT_TIMEOUT_SECONDS,
        metavar="SECONDS",
        help="deadline of each call (default: %(default)g)",
    )
    group.add_argument(
        "--wait-for-ready",
        action="store_true",
        help="wait that long for a server that is unreachable, instead of failing at once",
    )
    credentials.add_flags(group)


def _parse_targets(text: str) -> list[str]:
    """Return the addresses of a comma-separated list; raise argparse's error."""
    targets = text.split(",")
    try:
        join_targets(targets)
    except InvalidTargetError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return targets
