"""The content of a report: modules, and frames in them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Module:
    """One binary that was loaded in a process."""

    debug_file: str = ""
    """Name, without path, of the file with its debug information, such as `xul.pdb`. If empty, the
    name of the code file is used."""

    debug_id: str = ""
    """Identity of the debug information: 32 hex digits and the age in up to 8 more, of either case,
    with or without the dashes and braces of a GUID; the age defaults to 0. If empty, the code id
    says it."""

    code_file: str = ""
    """The executable, such as `xul.dll`, with or without its path; empty if not known."""

    code_id: str = ""
    """Identity of the executable in hex digits; empty if not known."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One code address of a process."""

    module_index: int | None
    """Position of its module in the list of modules; `None` for a frame in no known module."""

    module_offset: int
    """Bytes from the start of the module to the instruction, 0 to 2**64 - 1."""

    is_return_address: bool = False
    """Whether the offset is a return address, which is looked up one byte before."""
