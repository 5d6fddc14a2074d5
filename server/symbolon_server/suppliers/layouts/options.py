"""What a supplier's entry says of itself behind a `#`: `casing=lower,absent=403`."""

import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from symbolon_server.suppliers.layouts.layout import Layout, by_code_id, by_debug_id

_TO_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_TO_UPPER = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)


class Casing(Enum):
    """How a supplier spells the paths of its symbol files, below its own folder or URL."""

    DEFAULT = "default"
    """As the layout has it: names as callers write them, the debug id in upper case."""

    LOWER = "lower"
    """All ASCII letters of the path in lower case: names and debug id with its age."""

    UPPER = "upper"
    """All ASCII letters of the path in upper case."""

    ANY = "any"
    """In whatever case; only what can be listed can be searched so."""

    def spell(self, part: str) -> str:
        """Return a part of a path as the supplier spells it; `ANY` leaves it as it is."""
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
"""The paths that are asked for, in this order; those by code id cost a request more for each module
that is missing and whose code id the caller told."""


@dataclass(frozen=True, slots=True)
class SupplierOptions:
    """How one supplier is asked, and what its answers mean."""

    casing: Casing = Casing.DEFAULT
    layouts: Sequence[Layout] = _LAYOUTS["debug_id"]

    is_403_absent: bool = False
    """Whether HTTP 403 says that there is no such file, as S3 does to those who may not list."""


class InvalidOptionError(ValueError):
    """An option that cannot be used; the text says what can, and repeats nothing unknown."""


_NAMED_CASINGS = (Casing.DEFAULT, Casing.LOWER, Casing.UPPER)


@dataclass(frozen=True, slots=True)
class OptionRules:
    """Which options a kind of supplier takes, each with its values."""

    kind: str
    values: Mapping[str, tuple[str, ...]]

    def parse(self, options: Iterable[tuple[str, str]]) -> SupplierOptions:
        """Return what pairs of name and value say; raise `InvalidOptionError`."""
        said: dict[str, str] = {}
        for name, value in options:
            if name not in self.values:
                raise InvalidOptionError(f"has an unknown option; {self}")
            if name in said:
                raise InvalidOptionError(f"has the option {name} twice")
            if value not in self.values[name]:
                raise InvalidOptionError(f"has an unknown value of {name}; {self}")
            said[name] = value
        return SupplierOptions(
            Casing(said.get("casing", "default")),
            _LAYOUTS[said.get("layout", "debug_id")],
            "absent" in said,
        )

    def __str__(self) -> str:
        """Return what can be written, for a person."""
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
