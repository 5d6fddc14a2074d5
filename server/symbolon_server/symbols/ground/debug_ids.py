"""Debug ids as crash reports, symbol files and tools write them, and the one form of each.

    C3D8E3C7B6594DF1DFCA907993B47725A           Breakpad: a GUID and the age
    c3d8e3c7-b659-4df1-dfca-907993b47725-a      Sentry and symbolic, which leave out an age of 0
    {C3D8E3C7-B659-4DF1-DFCA-907993B47725}      Microsoft's tools, which tell the age elsewhere
    C3D8E3C7-B659-4DF1-DFCA-907993B47725        dwarfdump, for a Mach-O file, which has no age

An age that is not told is 0, and leading zeros of one say nothing: no writer of symbol files
pads it, and readers take it for a number.
"""

import re
from typing import Final

DEBUG_ID_FORM: Final = (
    "32 hex digits and the age in up to 8 more, with or without the dashes and braces of a GUID"
)
"""What is allowed, for people."""

_GUID = "[0-9A-F]{32}|[0-9A-F]{8}-(?:[0-9A-F]{4}-){3}[0-9A-F]{12}"
_DEBUG_ID = re.compile(
    rf"(?P<brace>\{{)?(?P<guid>{_GUID})(?(brace)\}})(?:-?(?P<age>[0-9A-F]{{1,8}}))?",
    re.ASCII | re.IGNORECASE,
)


def normalise_debug_id(text: str) -> str | None:
    """Return 32 hex digits and the age without padding, upper case; None for no debug id."""
    found = _DEBUG_ID.fullmatch(text)
    if found is None:
        return None
    age = (found["age"] or "").lstrip("0") or "0"
    return (found["guid"].replace("-", "") + age).upper()


def tells_age(text: str) -> bool:
    """Return whether a text is a debug id that has an age, which may be 0."""
    found = _DEBUG_ID.fullmatch(text)
    return found is not None and found["age"] is not None
