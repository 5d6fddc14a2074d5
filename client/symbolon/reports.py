"""What a caller asks about: modules, and the frames of stacks in them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Module:
    """One binary as it was loaded in a process."""

    debug_file: str
    """The file with its debug information, such as `xul.pdb`: the last part of the path.
    Empty: the name of the code file stands in for it."""

    debug_id: str
    """Identity of the debug information: 32 hex digits and the age in up to 8 more, of
    either case, with or without the dashes and braces of a GUID; without an age it is 0."""

    code_file: str = ""
    """The executable itself, such as `xul.dll`, of whose path the last part counts; empty when not
    known."""

    code_id: str = ""
    """Identity of the executable in hex digits; empty when not known."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One place in the code of a process."""

    module_index: int | None
    """Position of its module in the list of modules; `None` for a frame in no known module."""

    module_offset: int
    """Bytes from the start of the module to the instruction, 0 to 2**64 - 1."""

    is_return_address: bool = False
    """Whether the offset is where a call returns to: it is looked up one byte before."""
