"""Debug ids as callers write them; what they mean is the server's to say, by the same rules."""

import re

DEBUG_ID_FORM = (
    "32 hex digits and the age in up to 8 more, with or without the dashes and braces of a GUID"
)
"""What is allowed, for people."""

DEBUG_ID_CHARACTERS = "[0-9A-Fa-f{}-]*"
"""Of what a debug id in a line of text is made."""

_GUID = "[0-9A-F]{32}|[0-9A-F]{8}-(?:[0-9A-F]{4}-){3}[0-9A-F]{12}"
_DEBUG_ID = re.compile(
    rf"(?P<brace>\{{)?(?P<guid>{_GUID})(?(brace)\}})(?:-?(?P<age>[0-9A-F]{{1,8}}))?",
    re.ASCII | re.IGNORECASE,
)
_HEX_DIGITS = re.compile("[0-9A-Fa-f]*")


def can_be_asked(text: str) -> bool:
    """Return whether the server takes this as a debug id.

    It does so for hex digits of any number: crash reports have modules without a whole debug id,
    which are missing.
    """
    return _DEBUG_ID.fullmatch(text) is not None or _HEX_DIGITS.fullmatch(text) is not None


def normalise_debug_id(text: str) -> str:
    """Return 32 hex digits and the age without padding, or text that is no debug id, upper case."""
    found = _DEBUG_ID.fullmatch(text)
    if found is None:
        return text.upper()
    age = (found["age"] or "").lstrip("0") or "0"
    return (found["guid"].replace("-", "") + age).upper()
