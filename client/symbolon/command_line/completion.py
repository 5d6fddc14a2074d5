"""`symbolon completion SHELL`: what a shell needs to complete commands and flags.

It is made from the parser, so that it knows what the program knows.
"""

from __future__ import annotations

import argparse
from typing import Any

from symbolon.command_line.command_words import read_commands
from symbolon.command_line.exit_codes import SUCCESS
from symbolon.command_line.shell_scripts import WRITERS


def add_command(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "completion",
        help="print what a shell needs to complete commands and flags",
        description="Prints a script for a shell, such as: source <(symbolon completion bash)",
    )
    parser.add_argument("shell", choices=tuple(WRITERS), help="the shell")


def write_script(shell: str, parser: argparse.ArgumentParser) -> int:
    """Print the script for one shell."""
    print("\n".join(WRITERS[shell](read_commands(parser))))
    return SUCCESS
