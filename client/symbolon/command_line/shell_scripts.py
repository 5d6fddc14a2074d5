"""Scripts that complete the program's commands and flags, one for each shell."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator

from symbolon.command_line.command_words import CommandWords, Flag


def write_bash(commands: list[CommandWords]) -> Iterator[str]:
    """Yield a script for bash."""
    yield "_symbolon() {"
    yield '    local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"'
    yield "    local words='' files=''"
    yield '    if [ "$COMP_CWORD" -eq 1 ]; then'
    yield f"        words={shlex.quote(' '.join(command.name for command in commands))}"
    yield "    else"
    yield '        case "${COMP_WORDS[1]}:$before" in'
    for command in commands:
        yield from _write_bash_command(command)
    yield "        esac"
    yield "    fi"
    yield '    COMPREPLY=($(compgen -W "$words" -- "$word"))'
    yield '    [ -z "$files" ] || COMPREPLY+=($(compgen -f -- "$word"))'
    yield "}"
    yield "complete -o filenames -F _symbolon symbolon"


def _write_bash_command(command: CommandWords) -> Iterator[str]:
    for flag in command.flags:
        if flag.takes_value:
            pattern = "|".join(f"{command.name}:{name}" for name in flag.names)
            files = " files=1" if flag.takes_file else ""
            yield f"        {pattern}) words={shlex.quote(' '.join(flag.choices))}{files} ;;"
    names = [name for flag in command.flags for name in flag.names]
    files = " files=1" if command.takes_file else ""
    words = shlex.quote(" ".join([*command.choices, *names]))
    yield f"        {command.name}:*) words={words}{files} ;;"


def write_zsh(commands: list[CommandWords]) -> Iterator[str]:
    """Yield a script for zsh."""
    yield "#compdef symbolon"
    yield "_symbolon() {"
    yield "    local -a commands"
    yield "    commands=("
    for command in commands:
        yield f"        {_quote_zsh(f'{command.name}:{command.summary}')}"
    yield "    )"
    yield "    if (( CURRENT == 2 )); then"
    yield "        _describe command commands"
    yield "        return"
    yield "    fi"
    yield "    local name=${words[2]}"
    yield "    shift words"
    yield "    (( CURRENT-- ))"
    yield "    case $name in"
    for command in commands:
        yield f"        {command.name}) _arguments \\"
        for flag in command.flags:
            yield from (f"            {_write_zsh_flag(flag, name)} \\" for name in flag.names)
        yield f"            {_write_zsh_argument(command)} ;;"
    yield "    esac"
    yield "}"
    yield "compdef _symbolon symbolon"


def _write_zsh_flag(flag: Flag, name: str) -> str:
    text = f"{name}[{_escape_zsh(flag.summary)}]"
    if flag.takes_value:
        text += f":value:{_write_zsh_values(flag.choices, flag.takes_file)}"
    return _quote_zsh(text)


def _write_zsh_argument(command: CommandWords) -> str:
    return _quote_zsh(f"*:argument:{_write_zsh_values(command.choices, command.takes_file)}")


def _write_zsh_values(choices: tuple[str, ...], takes_file: bool) -> str:
    return f"({' '.join(choices)})" if choices else "_files" if takes_file else " "


def _escape_zsh(text: str) -> str:
    for letter in "\\[]:":
        text = text.replace(letter, f"\\{letter}")
    return text


def _quote_zsh(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def write_fish(commands: list[CommandWords]) -> Iterator[str]:
    """Yield a script for fish."""
    yield "complete -c symbolon -f"
    for command in commands:
        summary = _quote_fish(command.summary)
        yield f"complete -c symbolon -n __fish_use_subcommand -a {command.name} -d {summary}"
    for command in commands:
        start = f"complete -c symbolon -n '__fish_seen_subcommand_from {command.name}'"
        if command.takes_file:
            yield f"{start} -F"
        if command.choices:
            yield f"{start} -a {_quote_fish(' '.join(command.choices))}"
        yield from (f"{start} {_write_fish_flag(flag)}" for flag in command.flags)


def _write_fish_flag(flag: Flag) -> str:
    names = " ".join(
        f"-{'l' if name.startswith('--') else 's'} {name.lstrip('-')}" for name in flag.names
    )
    text = f"{names} -d {_quote_fish(flag.summary)}"
    if flag.choices:
        text += f" -x -a {_quote_fish(' '.join(flag.choices))}"
    elif flag.takes_value:
        text += " -r -F" if flag.takes_file else " -x"
    return text


def _quote_fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


WRITERS: dict[str, Callable[[list[CommandWords]], Iterator[str]]] = {
    "bash": write_bash,
    "zsh": write_zsh,
    "fish": write_fish,
}
