"""How names and paths of a symbol file are shown: demangled and normalised."""

import re
from collections.abc import Iterable
from typing import Final

import pydemumble

from symbolon_server.symbols.ground.answers import LINKAGE_MARK
from symbolon_server.symbols.reading.expansion import bound_expansion

MAX_MANGLED_BYTES: Final = 1 << 14
"""The longest name that is demangled: the demangler recurses as deep as the name nests."""

MAX_DEMANGLED_BYTES: Final = 1 << 15
"""The longest result."""

MAX_EXPANSION: Final = 1 << 24
"""The highest `bound_expansion` of a name that is demangled. The demangler always writes the whole
name, and aborts the process when it runs out of memory. 0.04 % of 476,000 distinct C++ names in
libraries exceed this limit, and 0.01 % of 217,000 Rust v0 names; the longest expands to 19,335
bytes."""

_SAFE_BYTES: Final = 64
"""A name of this length has too few references to matter, so most names need no bound."""

_MANGLED = (b"_Z", b"__Z", b"___Z", b"____Z", b"_R", b"__R", b"?")
"""Prefixes of mangled names: Itanium and Rust, both also after Mach-O's underscore, the invocation
functions of blocks, and MSVC."""

_MAYBE_MANGLED = (b"_", b"?")

_DETOUR = re.compile(rb"(?:^|[/\\])\.\.?(?:[/\\]|$)")
_DRIVE = re.compile(rb"[A-Za-z]:(?:[/\\]|$)")
_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]+:")
"""Start of version control paths, such as `hg:host/repository:path:revision`, and of URLs. A single
letter is a drive."""


def demangle(name: bytes) -> bytes:
    """Return `name` demangled, or unchanged if it is not mangled or cannot be demangled.

    Supports Itanium and MSVC names of C++ and both Rust manglings, whose legacy hash is dropped.
    """
    if not name.startswith(_MANGLED) or len(name) > MAX_MANGLED_BYTES or not name.isascii():
        return name
    text = name.decode("ascii")
    if len(text) > _SAFE_BYTES and bound_expansion(text) > MAX_EXPANSION:
        return name
    demangled = pydemumble.demangle(text).encode()
    return demangled if 0 < len(demangled) <= MAX_DEMANGLED_BYTES else name


def demangle_all(names: Iterable[bytes]) -> list[bytes]:
    """Return each of `names` demangled as by `demangle`; most names are not mangled."""
    return [demangle(name) if name.startswith(_MAYBE_MANGLED) else name for name in names]


def add_linkage_name(shown: bytes, name: bytes) -> bytes:
    """Return a name as people see it, then as it stands in the file if that is another one."""
    return shown if shown == name else shown + LINKAGE_MARK + name


def clean_path(path: bytes) -> bytes:
    r"""Return `path` without `./` and `directory/../`; no file system is involved.

    In a Windows path, one with a drive or a `\`, all separators become `\`. Version control paths
    and URLs stay unchanged. Nothing is above a root; a relative path may start with `..`.
    """
    is_windows = b"\\" in path or _DRIVE.match(path) is not None
    if not (is_windows or _DETOUR.search(path)) or _SCHEME.match(path):
        return path
    separator = b"\\" if is_windows else b"/"
    parts = (path.replace(b"/", b"\\") if is_windows else path).split(separator)
    root = _count_root(parts)
    kept = parts[:root]
    for part in parts[root:]:
        if part == b".." and len(kept) > root and kept[-1] != b"..":
            kept.pop()
        elif part != b"." and not (part == b".." and root):
            kept.append(part)
    return separator.join(kept) or path


def _count_root(parts: list[bytes]) -> int:
    r"""Return how many parts are the root: leading slashes, a drive or `\\host`."""
    if _DRIVE.fullmatch(parts[0]):
        return 1
    slashes = next((place for place, part in enumerate(parts) if part), len(parts))
    return slashes + (slashes > 1)
