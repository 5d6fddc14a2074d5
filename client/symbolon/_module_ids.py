"""Which module ids a server accepts, by the server's own rules.

One bad module fails a whole call, so that callers that join modules of several sources check them
first.
"""

import re
import unicodedata

MAX_DEBUG_FILE_BYTES = 255
"""The longest debug file name that servers accept, in UTF-8."""

DEBUG_ID_FORM = (
    "32 hex digits and the age in up to 8 more, with or without the dashes and braces of a GUID"
)
"""The accepted form, for messages."""

DEBUG_ID_CHARACTERS = "[0-9A-Fa-f{}-]*"
"""Matches a debug id in a line of text."""

_GUID = "[0-9A-F]{32}|[0-9A-F]{8}-(?:[0-9A-F]{4}-){3}[0-9A-F]{12}"
_DEBUG_ID = re.compile(
    rf"(?P<brace>\{{)?(?P<guid>{_GUID})(?(brace)\}})(?:-?(?P<age>[0-9A-F]{{1,8}}))?",
    re.ASCII | re.IGNORECASE,
)
_HEX_DIGITS = re.compile("[0-9A-Fa-f]*")

_PATH_STEPS = {".", ".."}
_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}


def is_debug_id(text: str) -> bool:
    """Return whether the server accepts this as a debug id.

    It accepts hex digits of any number: crash reports have modules without a complete debug id,
    which are reported missing.
    """
    return _DEBUG_ID.fullmatch(text) is not None or _HEX_DIGITS.fullmatch(text) is not None


def normalise_debug_id(text: str) -> str:
    """Return 32 hex digits and the age without padding, in upper case; other text in upper case."""
    found = _DEBUG_ID.fullmatch(text)
    if found is None:
        return text.upper()
    age = (found["age"] or "").lstrip("0") or "0"
    return (found["guid"].replace("-", "") + age).upper()


def last_part(path: str) -> str:
    r"""Return what follows the last / or \ of a path."""
    return path[max(path.rfind("/"), path.rfind("\\")) + 1 :]


def find_file_fault(debug_file: object, *, takes_path: bool) -> str:
    """Return why the server would reject this debug file; empty if it would not."""
    if not isinstance(debug_file, str):
        return "it is not a string"
    name = last_part(debug_file)
    if name != debug_file and not takes_path:
        return "it is a path"
    if name in _PATH_STEPS or (debug_file and not name):
        return "it names no file"
    if _has_control_characters(name):
        return "it has control characters"
    length = len(name.encode())
    if length > MAX_DEBUG_FILE_BYTES:
        return f"it has {length} bytes, the limit is {MAX_DEBUG_FILE_BYTES}"
    return ""


def _has_control_characters(name: str) -> bool:
    if name.isprintable():  # nearly always, and much faster
        return False
    return any(unicodedata.category(character) in _UNPRINTABLE for character in name)
