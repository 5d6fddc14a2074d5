r"""Paths of source files, joined from the parts that debug information has.

The rules are those of `symbolic`, whose answers ours are compared with: a part that is absolute
replaces what is before it, and so does one in angle brackets, such as `<stdin>`. A path of Windows
may be below a root without a drive, and gets the drive of what is before it.
"""

import re
from typing import Final

_SEPARATORS: Final = b"/\\"
_DRIVE = re.compile(rb"[A-Za-z]:(?:[/\\]|$)")


def join_path(base: bytes, other: bytes) -> bytes:
    """Return the path of `other` seen from `base`; either may be empty."""
    if not base or (other.startswith(b"<") and other.endswith(b">")):
        return other
    if _is_absolute_on_windows(other) or other.startswith(b"/"):
        return other
    if not other:
        return base
    if other.startswith(b"\\"):
        return base[:2] + other if _is_absolute_on_windows(base) else other
    separator = b"\\" if _is_of_windows(base) or _is_of_windows(other) else b"/"
    return base.rstrip(_SEPARATORS) + separator + other


def _is_absolute_on_windows(path: bytes) -> bool:
    return path.startswith((b"\\\\", b"//")) or _DRIVE.match(path) is not None


def _is_of_windows(path: bytes) -> bool:
    return b"\\" in path or _is_absolute_on_windows(path)
