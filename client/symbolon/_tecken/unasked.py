"""What of a crash report cannot be asked: which modules and frames, and why."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from symbolon.errors import InvalidReportError

MAX_DEBUG_FILE_BYTES = 255
"""The longest name that servers take, in UTF-8."""

MOST_PROBLEMS = 10_000
"""In one document: a problem takes more memory than the two bytes that can cause it."""

_PATH_STEPS = {".", ".."}
_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}


@dataclass(frozen=True, slots=True)
class UnaskedFrame:
    """What is written of a frame that was not asked as it was given."""

    module: str | None
    """Its module as it was given, cut if it is long; `None`: as the server calls it."""

    offset: str
    """Its module offset as it was given."""

    def name_module(self, answered: str) -> str:
        """Return the module's name; `answered` is what the server calls it."""
        return answered if self.module is None else self.module


class Problems:
    """What is wrong with single items of a document, which has at most so many of them."""

    def __init__(self, most: int = MOST_PROBLEMS) -> None:
        """Take `most` problems; none of them is Eliot's way."""
        self._most = most
        self._count = 0
        self._of_job: list[str] = []

    @property
    def are_refused(self) -> bool:
        """Whether the first refuses the document."""
        return self._most == 0

    def add(self, words: str, reason: str = "") -> None:
        """Note a problem in Eliot's words; raise `InvalidReportError` for one too many."""
        self._count += 1
        if self._count > self._most:
            others = f", as {self._most:,} items before it" if self._most else ""
            raise InvalidReportError(words + others)
        self._of_job.append(f"{words}: {reason}" if reason else words)

    def take(self) -> tuple[str, ...]:
        """Return those that were added since they were last taken."""
        taken = tuple(self._of_job)
        self._of_job.clear()
        return taken


def last_part(path: str) -> str:
    r"""Return what stands behind the last / or \ of a path."""
    return path[max(path.rfind("/"), path.rfind("\\")) + 1 :]


def find_file_fault(debug_file: object, *, takes_path: bool) -> str:
    """Return why a module of this debug file cannot be asked; empty where it can.

    The rules are the server's, which would refuse all that is asked with it.
    """
    if not isinstance(debug_file, str):
        return "it is no string"
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
