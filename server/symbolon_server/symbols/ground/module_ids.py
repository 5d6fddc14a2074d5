"""The identity of a module's debug information: debug file and debug id.

Crash reports, symbol files and tools write debug ids in several forms:

    C3D8E3C7B6594DF1DFCA907993B47725A           Breakpad: a GUID and the age
    c3d8e3c7-b659-4df1-dfca-907993b47725-a      Sentry and symbolic, which omit an age of 0
    {C3D8E3C7-B659-4DF1-DFCA-907993B47725}      Microsoft's tools, which have the age elsewhere
    C3D8E3C7-B659-4DF1-DFCA-907993B47725        dwarfdump, for a Mach-O file, which has no age

A missing age is 0. Leading zeros of the age carry no meaning: no writer of symbol files pads it,
and readers parse it as a number.
"""

import re
import unicodedata
from typing import Final, NamedTuple, Self

DEBUG_ID_FORM: Final = (
    "32 hex digits and the age in up to 8 more, with or without the dashes and braces of a GUID"
)
"""The allowed forms, for error messages."""

GUID_DIGITS: Final = 32

LINKAGE_VARIANT: Final = "~linkage"
"""What the debug id of a module's variant with linkage names ends in. It is in no debug id that
anyone may send, so that each name of a module is that of one variant."""

_GUID = "[0-9A-F]{32}|[0-9A-F]{8}-(?:[0-9A-F]{4}-){3}[0-9A-F]{12}"
_DEBUG_ID = re.compile(
    rf"(?P<brace>\{{)?(?P<guid>{_GUID})(?(brace)\}})(?:-?(?P<age>[0-9A-F]{{1,8}}))?",
    re.ASCII | re.IGNORECASE,
)


def normalise_debug_id(text: str) -> str | None:
    """Return 32 hex digits and the age without padding, upper case; None if invalid."""
    found = _DEBUG_ID.fullmatch(text)
    if found is None:
        return None
    age = (found["age"] or "").lstrip("0") or "0"
    return (found["guid"].replace("-", "") + age).upper()


def tells_age(text: str) -> bool:
    """Return whether `text` is a debug id with an age, which may be 0."""
    found = _DEBUG_ID.fullmatch(text)
    return found is not None and found["age"] is not None


def is_nil_debug_id(text: str) -> bool:
    """Return whether `text` is a debug id whose GUID is all zeros: the file has none."""
    return (normalise_debug_id(text) or "").startswith("0" * GUID_DIGITS)


MAX_FILE_NAME_BYTES = 255
"""The longest file name that common file systems allow, in UTF-8 bytes."""

_HEX_DIGITS = re.compile("[0-9A-Fa-f]*")
_PATH_SEPARATORS = frozenset("/\\")
_PATH_STEPS = frozenset({".", ".."})
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})


class InvalidModuleIdError(ValueError):
    """A debug file or debug id that cannot identify a module; `field` says which."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field


class ModuleId(NamedTuple):
    """The pair (debug file, debug id), safe to use in a path, a key or a log line.

    `parse` checks and normalises the two parts. A named tuple, because every call looks up modules
    in dictionaries and a tuple is hashed several times faster than a dataclass.

    A module has a second set of pages for callers that ask for linkage names: its variant, whose id
    is another one everywhere but for suppliers, invalidations and operators.
    """

    debug_file: str
    """Name of the file with the debug information, without a path, as sent by the caller."""

    debug_id: str
    """32 hex digits and the age in hex without padding, upper case: see `normalise_debug_id`. That
    of a variant ends in `LINKAGE_VARIANT`."""

    @classmethod
    def parse(cls, debug_file: str, debug_id: str) -> Self:
        """Return the module id; raise `InvalidModuleIdError` if a part is invalid."""
        check_file_name("debug_file", debug_file)
        normalised = normalise_debug_id(debug_id)
        if normalised is None:
            raise InvalidModuleIdError("debug_id", f"must be {DEBUG_ID_FORM}")
        return cls(debug_file, normalised)

    @classmethod
    def parse_if_whole(cls, debug_file: str, debug_id: str) -> Self | None:
        """Return the module id, or None if a part is empty or the debug id has too few or too
        many hex digits, as in some crash reports.

        Raises `InvalidModuleIdError` for any other invalid part.
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
        """Return the module id for the text `str` made; raise `InvalidModuleIdError`."""
        debug_file, slash, debug_id = text.partition("/")
        if not slash:
            raise InvalidModuleIdError("module id", "must be <debug file>/<debug id>")
        plain = cls.parse(debug_file, debug_id.removesuffix(LINKAGE_VARIANT))
        return plain.with_linkage_names if debug_id.endswith(LINKAGE_VARIANT) else plain

    def __str__(self) -> str:
        """Return the form used in keys, paths and messages: `xul.pdb/44E4…C2`."""
        return f"{self.debug_file}/{self.debug_id}"

    @property
    def has_linkage_names(self) -> bool:
        """Whether this is the variant whose pages have linkage names beside the other names."""
        return self.debug_id.endswith(LINKAGE_VARIANT)

    @property
    def with_linkage_names(self) -> Self:
        """The id of that variant."""
        return self._replace(debug_id=self.plain.debug_id + LINKAGE_VARIANT)

    @property
    def plain(self) -> Self:
        """The id without regard to variants: the one that a file has."""
        if not self.has_linkage_names:
            return self
        return self._replace(debug_id=self.debug_id.removesuffix(LINKAGE_VARIANT))

    @property
    def variants(self) -> tuple[Self, Self]:
        """The ids under which pages of the module are stored."""
        return self.plain, self.with_linkage_names

    @property
    def family(self) -> str:
        """The name of all builds of the module, of this variant."""
        return self.debug_file + (LINKAGE_VARIANT if self.has_linkage_names else "")

    @property
    def symbol_file_name(self) -> str:
        """The name of its symbol file on symbol servers: `xul.sym`, `libxul.so.sym`."""
        if self.debug_file.lower().endswith(".pdb"):
            return self.debug_file[: -len(".pdb")] + ".sym"
        return self.debug_file + ".sym"


def check_file_name(field: str, name: str) -> None:
    """Raise `InvalidModuleIdError` if a name is not safe as part of a path."""
    if not name:
        raise InvalidModuleIdError(field, "must not be empty")
    if not _PATH_SEPARATORS.isdisjoint(name) or name in _PATH_STEPS:
        raise InvalidModuleIdError(field, "must be a file name without a path")
    if any(unicodedata.category(character) in _UNPRINTABLE for character in name):
        raise InvalidModuleIdError(field, "must not contain control characters")
    if len(name.encode()) > MAX_FILE_NAME_BYTES:
        raise InvalidModuleIdError(field, f"must be at most {MAX_FILE_NAME_BYTES} bytes")
