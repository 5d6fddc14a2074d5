"""The options of a supplier's entry, after a `#`: `casing=lower,absent=403`."""

import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from symbolon_server.suppliers.layouts.layout import (
    CandidatePath,
    Layout,
    by_code_id,
    by_debug_id,
)
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


_LAYOUTS: Final[Mapping[str, Sequence[Layout]]] = {
    "debug_id": (by_debug_id,),
    "debug_id+code_id": (by_debug_id, by_code_id),
}
"""The paths to request, in this order; `by_code_id` costs one more request for each missing module
with a code id."""


@dataclass(frozen=True, slots=True)
class SupplierOptions:
    """How to query one supplier, and what its responses mean."""

    casing: Casing = Casing.DEFAULT
    layouts: Sequence[Layout] = _LAYOUTS["debug_id"]

    is_403_absent: bool = False
    """Whether HTTP 403 means a missing file, as in S3 without permission to list the bucket."""

    def candidates(self, asked: AskedModule) -> tuple[CandidatePath, ...]:
        """Return the distinct paths to request for the module, in order and as spelled here."""
        spell = self.casing.spell
        found = (candidate for layout in self.layouts for candidate in layout(asked))
        return tuple(dict.fromkeys(c._replace(parts=tuple(map(spell, c.parts))) for c in found))

    def lacks(self, asked: AskedModule) -> str:  # noqa: ARG002 - these layouts need no more
        """Return what else a request must have for all paths, for humans; empty if nothing."""
        return ""


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
            if value not in self.values[name]:
                raise InvalidOptionError(f"has an unknown value of {name}; {self}")
            given[name] = value
        return SupplierOptions(
            Casing(given.get("casing", "default")),
            _LAYOUTS[given.get("layout", "debug_id")],
            "absent" in given,
        )

    def __str__(self) -> str:
        """Return the valid options, for humans."""
        written = (f"{name}={'|'.join(values)}" for name, values in self.values.items())
        *first, last = written
        return f"{self.kind} takes {', '.join(first)} and {last}"


URL_OPTIONS = OptionRules(
    "a URL",
    {
        "casing": tuple(casing.value for casing in _NAMED_CASINGS),
        "layout": tuple(_LAYOUTS),
        "absent": ("403",),
    },
)
DIRECTORY_OPTIONS = OptionRules(
    "a directory",
    {"casing": tuple(casing.value for casing in Casing), "layout": tuple(_LAYOUTS)},
)
