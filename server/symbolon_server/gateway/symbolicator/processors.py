"""What must be known of a processor to find the instruction that an address means."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

UNKNOWN_ARCHITECTURE: Final = "unknown"


class Processor(NamedTuple):
    """A family of processors."""

    alignment: int = 1
    """All instructions begin at multiples of this; 1 if they begin anywhere."""

    call_bytes: int = 1
    """How far a return address is moved back, to be within the call."""

    instruction_pointer: str = ""
    """The name of the register; empty if there is no such register."""


_UNKNOWN = Processor()
_ARM_64 = Processor(4, 4, "pc")

_FAMILIES: Mapping[str, Processor] = {
    "x86_64": Processor(instruction_pointer="rip"),
    "x86": Processor(instruction_pointer="eip"),
    "arm64": _ARM_64,
    "arm": Processor(2, 2, "pc"),
    "ppc64": Processor(8, 8, "srr0"),
    "ppc": Processor(4, 4, "srr0"),
    # A delay slot follows the call.
    "mips": Processor(4, 8, "pc"),
    "wasm32": Processor(4, 4),
}
"""By the beginning of an architecture's name; the longer beginnings are first."""

_ALIASES: Mapping[str, str] = {"amd64": "x86_64", "i386": "x86"}


@lru_cache
def find_processor(architecture: str) -> Processor:
    """Return the processor of an architecture that `name_architecture` named."""
    found = (family for name, family in _FAMILIES.items() if architecture.startswith(name))
    return next(found, _UNKNOWN)


def name_architecture(architecture: str) -> str:
    """Return Symbolicator's name for the architecture of a symbol file."""
    name = architecture.lower()
    name = _ALIASES.get(name, name)
    return UNKNOWN_ARCHITECTURE if find_processor(name) is _UNKNOWN else name
