"""Finds variables of the environment that look like settings and are none: most are misspelt."""

import difflib
import re
from collections.abc import Mapping

from symbolon_server.settings.knobs import PREFIX, rows

_OF_THE_CLIENT = {"SYMBOLON_TOKEN"}

_OF_KUBERNETES = re.compile(
    r"\w+_(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)
"""What a service whose name begins with `symbolon` gives to each pod beside it."""

_OF_A_PORT = re.compile(r"(?:tcp|udp|sctp)://")
"""Its `<name>_PORT` has such a value."""


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Return the `SYMBOLON_*` variables that name no setting and are nobody else's."""
    known = {row.variable for row in rows()} | _OF_THE_CLIENT
    return sorted(
        name
        for name, value in environment.items()
        if name.startswith(PREFIX) and name not in known and not _is_of_kubernetes(name, value)
    )


def find_likely_name(variable: str) -> str | None:
    """Return the setting that is probably meant by a variable, if there is one."""
    names = [row.name for row in rows()]
    likely = difflib.get_close_matches(variable.removeprefix(PREFIX).lower(), names, n=1)
    return PREFIX + likely[0].upper() if likely else None


def _is_of_kubernetes(name: str, value: str) -> bool:
    return bool(_OF_KUBERNETES.fullmatch(name) or _OF_A_PORT.match(value))
