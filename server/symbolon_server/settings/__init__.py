"""Every setting with its unit and default, read from `SYMBOLON_*` variables and from flags.

`table` declares all settings: a name, a type, a kind of value, a default and a help text. Flags,
variables, `--help` and docs/reference.md follow from it, so a new setting is one line there.
`kinds` turns text into values and back; `reading` reads flags and variables, and finds misspelt
ones.
"""

from symbolon_server.settings.reading import (
    InvalidSettingsError,
    add_flags,
    find_likely_name,
    read_settings,
    unknown_variables,
)
from symbolon_server.settings.table import INGEST_GROUPS, Group, Settings

__all__ = [
    "INGEST_GROUPS",
    "Group",
    "InvalidSettingsError",
    "Settings",
    "add_flags",
    "find_likely_name",
    "read_settings",
    "unknown_variables",
]
