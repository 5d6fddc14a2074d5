"""`symbolon completion SHELL`: a script that completes commands and flags, made by shtab."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from symbolon.command_line.parsers import BAD_INPUT, SUCCESS

SHELLS = ("bash", "zsh", "fish")

_FILES = {"FILE", "OUT"}
"""How arguments that are files are called in the help."""


def add_completion(commands: Any) -> None:
    """Add the command, the only one that calls no server."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "completion",
        help="print a script for shell completion",
        description="Prints a script that completes commands and flags, for use as in "
        "`source <(symbolon completion bash)`. Needs the extra 'cli'.",
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell")


def print_script(shell: str, parser: argparse.ArgumentParser) -> int:
    """Print the script for one shell; without shtab say which extra to install."""
    try:
        import shtab  # noqa: PLC0415 # only the extra `cli` installs it
    except ImportError:
        sys.stderr.write(
            "symbolon: completion needs the package shtab: install the extra 'cli', by "
            "pip install '.[cli]' in a checkout or pip install 'WHEEL[cli]' from a wheel\n"
        )
        return BAD_INPUT
    _complete_files(parser, shtab.FILE)
    print(shtab.complete(parser, shell))
    return SUCCESS


def _complete_files(parser: argparse.ArgumentParser, files: object) -> None:
    """Mark the arguments that are files, as shtab wants it."""
    for action in parser._actions:  # noqa: SLF001 # argparse has no public list of them
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 # nor a public name
            for command in action.choices.values():
                _complete_files(command, files)
        elif action.metavar in _FILES:
            action.complete = files  # type: ignore[attr-defined] # shtab's own
