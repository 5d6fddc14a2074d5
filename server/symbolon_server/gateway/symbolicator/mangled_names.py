"""Demangles the names that callers give to frames without a function."""

from functools import lru_cache
from typing import Final

_MAX_BYTES: Final = 1 << 10
"""The longest name that is demangled: a body may have as many names as frames."""

_MAX_EXPANSION: Final = 1 << 14
"""The highest bound of what it expands to."""


def demangle_given(function: str | None, symbol: str | None) -> dict[str, str]:
    """Return `function` demangled and `symbol` mangled if only one was given, and is mangled.

    That is what Symbolicator does, which cannot know which of the two a caller has. Otherwise
    return nothing.
    """
    mangled = function or symbol or ""
    if (function and symbol) or len(mangled) > _MAX_BYTES or not mangled.isascii():
        return {}
    demangled = _demangle(mangled)
    return {} if demangled == mangled else {"symbol": mangled, "function": demangled}


@lru_cache(1 << 12)
def _demangle(name: str) -> str:
    # Loaded when it is first needed: many callers give no names.
    from symbolon_server.symbols.reading.expansion import bound_expansion  # noqa: PLC0415
    from symbolon_server.symbols.reading.spelling import demangle  # noqa: PLC0415

    return name if bound_expansion(name) > _MAX_EXPANSION else demangle(name.encode()).decode()
