"""The identity of a module's debug information."""

import re
import unicodedata
from typing import NamedTuple, Self

from symbolon_server.symbols.ground.debug_ids import DEBUG_ID_FORM, normalise_debug_id

MAX_FILE_NAME_BYTES = 255
"""The longest file name that common file systems take, in UTF-8 bytes."""

_HEX_DIGITS = re.compile("[0-9A-Fa-f]*")
_PATH_SEPARATORS = frozenset("/\\")
_PATH_STEPS = frozenset({".", ".."})
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})


class InvalidModuleIdError(ValueError):
    """A debug file or debug id that cannot name a module; `field` tells which."""

    def __init__(self, field: str, problem: str) -> None:
        """Name the `field` and say in one line what is wrong with it."""
        super().__init__(f"{field} {problem}")
        self.field = field


class ModuleId(NamedTuple):
    """The pair (debug file, debug id), safe to use in a path, a key or a log line.

    Make one with `parse`: it is what checks and normalises the two parts. A named tuple, because
    every call looks modules up in dictionaries and a tuple is hashed several times faster.
    """

    debug_file: str
    """Last path part of the file with the debug information, as written by the caller."""

    debug_id: str
    """32 hex digits and the age in hex without padding, upper case: see `normalise_debug_id`."""

    @classmethod
    def parse(cls, debug_file: str, debug_id: str) -> Self:
        """Return the module id; raise `InvalidModuleIdError` where a part cannot be one."""
        check_file_name("debug_file", debug_file)
        normalised = normalise_debug_id(debug_id)
        if normalised is None:
            raise InvalidModuleIdError("debug_id", f"must be {DEBUG_ID_FORM}")
        return cls(debug_file, normalised)

    @classmethod
    def parse_if_whole(cls, debug_file: str, debug_id: str) -> Self | None:
        """Return the module id, or None where it names no module: a part is empty, or the hex
        digits of the debug id are not of a debug id's number.

        Crash reports have such modules. Raises `InvalidModuleIdError` for what cannot be a part.
        """
        if debug_file:
            check_file_name("debug_file", debug_file)
        normalised = normalise_debug_id(debug_id)
        if normalised is None and not _HEX_DIGITS.fullmatch(debug_id):
            raise InvalidModuleIdError("debug_id", f"must be {DEBUG_ID_FORM}")
        if not debug_file or normalised is None:
            return None
        return cls(debug_file, normalised)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the module id that prints as `text`; raise `InvalidModuleIdError`."""
        debug_file, slash, debug_id = text.partition("/")
        if not slash:
            raise InvalidModuleIdError("module id", "must be <debug file>/<debug id>")
        return cls.parse(debug_file, debug_id)

    def __str__(self) -> str:
        """Return the form for people, keys and paths: `xul.pdb/44E4…C2`."""
        return f"{self.debug_file}/{self.debug_id}"

    @property
    def symbol_file_name(self) -> str:
        """The name symbol servers give its symbol file: `xul.sym`, `libxul.so.sym`."""
        if self.debug_file.lower().endswith(".pdb"):
            return self.debug_file[: -len(".pdb")] + ".sym"
        return self.debug_file + ".sym"


def check_file_name(field: str, name: str) -> None:
    """Raise `InvalidModuleIdError` where the `field` is not safe as a part of a path."""
    if not name:
        raise InvalidModuleIdError(field, "must not be empty")
    if not _PATH_SEPARATORS.isdisjoint(name) or name in _PATH_STEPS:
        raise InvalidModuleIdError(field, "must be a file name without a path")
    if any(unicodedata.category(character) in _UNPRINTABLE for character in name):
        raise InvalidModuleIdError(field, "must not contain control characters")
    if len(name.encode()) > MAX_FILE_NAME_BYTES:
        raise InvalidModuleIdError(field, f"must be at most {MAX_FILE_NAME_BYTES} bytes")
