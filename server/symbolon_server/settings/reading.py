"""Reads the settings from flags and environment variables; flags override variables."""

import argparse
import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from symbolon_server.settings import kinds
from symbolon_server.settings.table import PREFIX, Group, Row, Settings, rows

_KIND_OF_SWITCH = kinds.SWITCH
_CREDENTIALS = re.compile(r"://[^,]*[@?]")
"""In a URL, the part before an @ and the query may contain a password."""

_OTHER_VARIABLES = {"SYMBOLON_COMPILED", "SYMBOLON_TOKEN"}
"""What is read before there are settings, and by the client."""

_KUBERNETES_NAME = re.compile(
    r"\w+_(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)
"""What Kubernetes adds to each pod for a service whose name starts with `symbolon`."""

_KUBERNETES_PORT = re.compile(r"(?:tcp|udp|sctp)://")
"""How its value of `<name>_PORT` starts."""


class InvalidSettingsError(Exception):
    """Invalid settings; `problems` has one line for people to read for each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def add_flags(parser: argparse.ArgumentParser, groups: Iterable[Group]) -> None:
    """Add a flag for each setting of `groups` to `parser`, with `None` as its default."""
    for group in groups:
        section = parser.add_argument_group(group.value)
        for row in rows():
            if row.group is group:
                _add_flag(section, row)


def read_settings(flags: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """Return the settings; raise one `InvalidSettingsError` for all invalid ones.

    `flags` maps the names of settings to text or `None`; other names are ignored. An empty
    variable counts as not set.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for row in rows():
        label, text = _given(row, flags, environment)
        if text is None:
            continue
        if row.is_secret and label == row.flag and _CREDENTIALS.search(text):
            problems.append(_credentials_problem(row))
            continue
        try:
            values[row.name] = row.kind.parse(text)
        except (ValueError, KeyError):
            problems.append(_problem(row, label, text))
    if problems:
        raise InvalidSettingsError(tuple(problems))
    return Settings(**values)


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Return the `SYMBOLON_*` variables that neither the server, the client nor Kubernetes uses."""
    known = {row.variable for row in rows()} | _OTHER_VARIABLES
    return sorted(
        name
        for name, value in environment.items()
        if name.startswith(PREFIX) and name not in known and not _is_of_kubernetes(name, value)
    )


def find_likely_name(variable: str) -> str | None:
    """Return the setting that a variable probably means, or None."""
    names = [row.name for row in rows()]
    likely = difflib.get_close_matches(variable.removeprefix(PREFIX).lower(), names, n=1)
    return PREFIX + likely[0].upper() if likely else None


def _add_flag(section: "argparse._ArgumentGroup", row: Row) -> None:
    explanation = f"{row.help} Default: {row.default_text}."
    if _is_switch(row):
        section.add_argument(
            row.flag, dest=row.name, action=argparse.BooleanOptionalAction, help=explanation
        )
        return
    section.add_argument(row.flag, dest=row.name, metavar="VALUE", help=explanation)


def _is_switch(row: Row) -> bool:
    return row.kind.expected.startswith(_KIND_OF_SWITCH.expected)


def _given(
    row: Row, flags: Mapping[str, Any], environment: Mapping[str, str]
) -> tuple[str, str | None]:
    flag = flags.get(row.name)
    if flag is not None:
        return row.flag, _KIND_OF_SWITCH.show(flag) if isinstance(flag, bool) else str(flag)
    return row.variable, environment.get(row.variable) or None


def _credentials_problem(row: Row) -> str:
    return (
        f"{row.flag} may contain a password, and all users of this machine can read flags: set "
        f"{row.variable} instead"
    )


def _problem(row: Row, label: str, text: str) -> str:
    shown = "a hidden value" if row.is_secret else repr(text)
    return f"{label} is {shown}: expected {row.kind.expected}"


def _is_of_kubernetes(name: str, value: str) -> bool:
    return bool(_KUBERNETES_NAME.fullmatch(name) or _KUBERNETES_PORT.match(value))
