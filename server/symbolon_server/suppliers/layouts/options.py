"""The options of a supplier, as after the `#` of its entry: `casing=lower,absent=403`."""

import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from fnmatch import fnmatchcase
from typing import Final

from symbolon_server.suppliers.layouts.format_layout import lacks
from symbolon_server.suppliers.layouts.layout import CandidatePath, FileUse, Layout
from symbolon_server.suppliers.layouts.named import DEFAULT_LAYOUT, NAMED_LAYOUTS
from symbolon_server.suppliers.layouts.symbol_servers import Compressed
from symbolon_server.symbols.ground.asked_modules import AskedModule

_TO_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_TO_UPPER = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)


class Casing(Enum):
    """The case of the paths below a supplier's directory or URL."""

    DEFAULT = "default"
    """As in the layout: names as callers send them, the debug id in upper case."""

    LOWER = "lower"
    """All ASCII letters of the path in lower case: names and debug id with its age."""

    UPPER = "upper"
    """All ASCII letters of the path in upper case."""

    ANY = "any"
    """Any case; for directories only, because it needs a listing."""

    def spell(self, part: str) -> str:
        """Return a part of a path in this case; `ANY` does not change it."""
        match self:
            case Casing.LOWER:
                return part.translate(_TO_LOWER)
            case Casing.UPPER:
                return part.translate(_TO_UPPER)
            case _:
                return part


FILE_USES: Final[Mapping[str, FileUse]] = {
    "debug": FileUse.DEBUG,
    "code": FileUse.CODE,
    "symbol": FileUse.TEXT,
}


@dataclass(frozen=True, slots=True)
class NamePatterns:
    """Which modules are requested, by patterns such as `*.pdb`, whatever their case."""

    only: tuple[str, ...] = ()
    """Empty: all."""

    excluded: tuple[str, ...] = ()

    def match(self, asked: AskedModule) -> bool:
        """Return whether the debug file or the code file is to be requested."""
        names = [name.lower() for name in (asked.module_id.debug_file, asked.code_file) if name]
        if _match_any(names, self.excluded):
            return False
        return not self.only or _match_any(names, self.only)


def _match_any(names: Iterable[str], patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern.lower()) for name in names for pattern in patterns)


@dataclass(frozen=True, slots=True)
class SupplierOptions:
    """How to query one supplier, and what its responses mean."""

    casing: Casing = Casing.DEFAULT
    layouts: Sequence[Layout] = NAMED_LAYOUTS[DEFAULT_LAYOUT].make(Compressed.LAST)

    is_403_absent: bool = False
    """Whether HTTP 403 means a missing file, as in S3 without permission to list the bucket."""

    files: frozenset[FileUse] = frozenset(FileUse)
    """What is requested."""

    patterns: NamePatterns = NamePatterns()

    def candidates(self, asked: AskedModule) -> tuple[CandidatePath, ...]:
        """Return the distinct paths to request for the module, in order and as spelled here."""
        if not self.patterns.match(asked):
            return ()
        spell = self.casing.spell
        found = (c for layout in self.layouts for c in layout(asked) if c.use in self.files)
        return tuple(dict.fromkeys(c._replace(parts=tuple(map(spell, c.parts))) for c in found))

    def lacks(self, asked: AskedModule) -> str:
        """Return what else a request must have for all paths, for humans.

        Empty if it has that; never empty without candidates.
        """
        if not self.patterns.match(asked):
            return OTHER_NAMES
        missing = dict.fromkeys(lacks(layout, asked, self.files) for layout in self.layouts)
        said = "; ".join(filter(None, missing))
        return said or ("" if self.candidates(asked) else OTHER_FORMATS)


OTHER_NAMES: Final = "is not asked for modules of such names"
OTHER_FORMATS: Final = "has no files of such modules in its layout"
"""What is not for the module says little of why it is missing."""


class InvalidOptionError(ValueError):
    """An invalid option; the text lists the valid ones, and quotes nothing unknown."""


_NAMED_CASINGS = (Casing.DEFAULT, Casing.LOWER, Casing.UPPER)


@dataclass(frozen=True, slots=True)
class OptionRules:
    """The options of a kind of supplier, with their values."""

    kind: str
    values: Mapping[str, tuple[str, ...]]

    def parse(self, options: Iterable[tuple[str, str]]) -> SupplierOptions:
        """Return the options in pairs of name and value; raise `InvalidOptionError`."""
        given: dict[str, str] = {}
        for name, value in options:
            if name not in self.values:
                raise InvalidOptionError(f"has an unknown option; {self}")
            if name in given:
                raise InvalidOptionError(f"has the option {name} twice")
            if not self._allows(name, value):
                raise InvalidOptionError(f"has an unknown value of {name}; {self}")
            given[name] = value
        return build_options(given)

    def _allows(self, name: str, value: str) -> bool:
        parts = value.split("+") if name == "files" else [value]
        return all(part in self.values[name] for part in parts)

    def __str__(self) -> str:
        """Return the valid options, for humans."""
        written = (f"{name}={'|'.join(values)}" for name, values in self.values.items())
        *first, last = written
        return f"{self.kind} takes {', '.join(first)} and {last}"


def build_options(given: Mapping[str, str]) -> SupplierOptions:
    """Return the options in `given`, whose names and values are valid."""
    compressed = Compressed(given.get("compressed", "last"))
    options = SupplierOptions(
        Casing(given.get("casing", "default")),
        NAMED_LAYOUTS[given.get("layout", DEFAULT_LAYOUT)].make(compressed),
        "absent" in given,
    )
    if "files" in given:
        uses = frozenset(FILE_USES[name] for name in given["files"].split("+"))
        options = replace(options, files=uses)
    return options


_COMMON: Final = {
    "layout": tuple(NAMED_LAYOUTS),
    "compressed": tuple(order.value for order in Compressed),
    "files": tuple(FILE_USES),
}
URL_OPTIONS = OptionRules(
    "a URL",
    {"casing": tuple(casing.value for casing in _NAMED_CASINGS), **_COMMON, "absent": ("403",)},
)
DIRECTORY_OPTIONS = OptionRules(
    "a directory", {"casing": tuple(casing.value for casing in Casing), **_COMMON}
)
