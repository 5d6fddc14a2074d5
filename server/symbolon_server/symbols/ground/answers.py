"""What is known of one module offset."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class InlineAnswer:
    """A call that the compiler dissolved; file and line are where it stands in its own code."""

    function: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The function at an offset, and how the code there came into it."""

    function: str
    function_start: int
    """Module offset at which the function or public symbol starts."""

    file: str
    """Empty where unknown."""

    line: int
    """0 where unknown. With inline frames: where the outermost of them is called."""

    inlines: tuple[InlineAnswer, ...]
    """Innermost first."""

    is_multiple: bool
    """Several functions were folded into this code."""

    is_public: bool = field(default=False, compare=False)
    """It is a public symbol, which a caller is not told; nor is the reference."""

    function_size: int = field(default=0, compare=False)
    """Bytes that the function has; 0 for a public symbol, whose size no record tells."""
