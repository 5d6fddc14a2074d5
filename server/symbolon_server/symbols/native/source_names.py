"""Names of functions as the sources have them."""

import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols.native.columns import NONE, FunctionColumns, Rows
from symbolon_server.symbols.reading.spelling import demangle

_GO: Final = 4

_COPY: Final = re.compile(
    rb"(?:\.cold|\.(?:constprop|isra|part|lto_priv|localalias|llvm|cold)(?:\.\d+)+|\.localalias)+\Z"
)
"""What gcc and clang append to the symbol of a function's copy or part."""

_COLD: Final = re.compile(rb"(?:\.cold(?:\.\d+)*)+\Z")
"""What they append to the symbol of the part of a function that is hardly ever run."""

_LOST: Final = b"_"
_MANGLED: Final = (b"Z", b"R")


def are_sources(functions: FunctionColumns, rows: Rows) -> NDArray[np.bool_]:
    """Return whether a suffix in the name of each of these functions is not in its source.

    The debug information of a function that gcc divides is joined with the symbol of one part,
    which may be `.cold` for all of it. A name from the symbol table alone is that of the part; in
    Go, a dot is before the name of the function.
    """
    language = functions.language[rows]
    return np.not_equal(language, NONE) & np.not_equal(language, _GO)


def source_name(name: bytes, *, is_source: bool) -> bytes:
    """Return `name` demangled, without the suffix of a copy where it `is_source`."""
    return demangle(_COPY.sub(b"", name) or name if is_source else name)


def whole_name(name: bytes, *, is_source: bool) -> bytes:
    """Return the linkage name of a whole function, given that of its cold part, if it `is_source`.

    Copies keep their suffixes: they are functions of their own in a linker map.
    """
    return _COLD.sub(b"", name) or name if is_source else name


def restore_underscore(name: bytes) -> bytes:
    """Return a mangled name of C++ or Rust as it was before the library took its underscore.

    Where the rest is not a mangled name, nothing tells.
    """
    restored = _LOST + name
    return restored if name.startswith(_MANGLED) and demangle(restored) != restored else name
