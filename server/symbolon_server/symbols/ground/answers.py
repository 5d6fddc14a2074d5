"""What a module knows about one module offset."""

from dataclasses import dataclass, field
from typing import Final

LINKAGE_MARK: Final = b"\0"
"""Precedes the linkage name in a text of a module's variant. Readers of files replace it in names.
"""


@dataclass(frozen=True, slots=True)
class InlineAnswer:
    """A call that the compiler inlined; file and line are a location in the inlined function."""

    function: str
    file: str
    line: int
    linkage_name: str = ""
    """As it stands in the file; empty unless divided from `function`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The function at an offset, and the inline frames there."""

    function: str
    function_start: int
    """Module offset at which the function or public symbol starts."""

    file: str
    """Empty if unknown."""

    line: int
    """0 if unknown. With inline frames, file and line are the call site of the outermost one."""

    inlines: tuple[InlineAnswer, ...]
    """Innermost first."""

    is_multiple: bool
    """Several functions were folded into this code."""

    is_public: bool = field(default=False, compare=False)
    """It is a public symbol. Answers of the API do not say so."""

    function_size: int = field(default=0, compare=False)
    """In bytes; 0 for a public symbol, whose size no record gives."""

    linkage_name: str = ""
    """As it stands in the file; empty unless divided from `function`."""
