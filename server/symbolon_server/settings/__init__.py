"""Every knob with its unit and default, read from `SYMBOLON_*` variables and from flags."""

from symbolon_server.settings.knobs import Group, Settings
from symbolon_server.settings.reading import (
    InvalidSettingsError,
    add_flags,
    read_settings,
    unknown_variables,
)
from symbolon_server.settings.table import settings_table

__all__ = [
    "Group",
    "InvalidSettingsError",
    "Settings",
    "add_flags",
    "read_settings",
    "settings_table",
    "unknown_variables",
]
