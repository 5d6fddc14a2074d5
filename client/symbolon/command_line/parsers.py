"""What the parsers of all commands have in common."""

import argparse
from collections.abc import Callable
from typing import Any

import symbolon
from symbolon.client import Client

Command = Callable[[Client, argparse.Namespace], int]
"""Does what a command is for, and returns the exit code."""


class ShowVersion(argparse.Action):
    """Prints the version, which is looked up only then: it takes longer than the parser."""

    def __init__(self, **named: Any) -> None:
        super().__init__(nargs=0, help="print the version", **named)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print it and end."""
        print(f"{parser.prog} {symbolon.__version__}")
        parser.exit()


def add_parser(
    commands: Any, name: str, summary: str, description: str, command: Command
) -> argparse.ArgumentParser:
    """Add a command; `commands` is argparse's action, whose type has no public name."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=description
    )
    parser.set_defaults(command=command)
    return parser


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the flag for programs that read the output."""
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
