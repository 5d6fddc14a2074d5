"""What may follow the program's name, as its parser knows it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag of a command."""

    names: tuple[str, ...]
    summary: str
    choices: tuple[str, ...]
    """What may follow it; empty for anything, or nothing."""

    takes_value: bool
    """Whether something must follow it."""

    takes_file: bool


@dataclass(frozen=True, slots=True)
class CommandWords:
    """What may follow a command."""

    name: str
    summary: str
    flags: tuple[Flag, ...]
    choices: tuple[str, ...]
    """Of its argument; empty for anything."""

    takes_file: bool
    """Whether its argument is a file."""


def read_commands(parser: argparse.ArgumentParser) -> list[CommandWords]:
    """Return the commands of a parser in its order.

    argparse tells what it knows in private names only, which have not changed in ten years.
    """
    (commands,) = (
        action
        for action in parser._actions  # noqa: SLF001
        if isinstance(action, argparse._SubParsersAction)  # noqa: SLF001
    )
    summaries = {action.dest: action.help or "" for action in commands._choices_actions}  # noqa: SLF001
    return [
        _read_command(name, summaries.get(name, ""), below)
        for name, below in commands.choices.items()
    ]


def _read_command(name: str, summary: str, parser: argparse.ArgumentParser) -> CommandWords:
    actions = parser._actions  # noqa: SLF001
    arguments = [action for action in actions if not action.option_strings]
    choices = [str(choice) for action in arguments for choice in action.choices or ()]
    return CommandWords(
        name=name,
        summary=summary,
        flags=tuple(_read_flag(action) for action in actions if action.option_strings),
        choices=tuple(choices),
        takes_file=any(action.metavar == "FILE" for action in arguments),
    )


def _read_flag(action: argparse.Action) -> Flag:
    return Flag(
        names=tuple(action.option_strings),
        summary=(action.help or "").partition(";")[0].partition(" (")[0],
        choices=tuple(map(str, action.choices or ())),
        takes_value=action.nargs not in {0, "?"},
        takes_file=action.metavar in {"FILE", "OUT"},
    )
