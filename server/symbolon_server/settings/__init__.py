"""Every knob with its unit and default, read from `SYMBOLON_*` variables and from flags."""

from symbolon_server.settings.knobs import Group, Settings
from symbolon_server.settings.reading import (
    InvalidSettingsError,
    add_flags,
    read_settings,
)
from symbolon_server.settings.unknown import find_likely_name, unknown_variables

__all__ = [
    "Group",
    "InvalidSettingsError",
    "Settings",
    "add_flags",
    "find_likely_name",
    "read_settings",
    "unknown_variables",
]
