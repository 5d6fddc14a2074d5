"""How the names and paths of a symbol file are shown: names demangled, paths without detours."""

import re
from typing import Final

import pydemumble

from symbolon_server.symbols.reading.expansion import bound_expansion

MAX_MANGLED_BYTES: Final = 1 << 14
"""The longest name that is demangled: a demangler recurses as deep as a name nests."""

MAX_DEMANGLED_BYTES: Final = 1 << 15
"""The longest name that comes of it."""

MAX_EXPANSION: Final = 1 << 24
"""The highest bound of a name that is demangled, as the demangler writes it out to its end whatever
its length, and aborts the process where memory does. Of 476,000 distinct C++ names in libraries
0.04 % are above it, of 217,000 names of Rust v0 0.01 %, while the longest stands for 19,335 bytes.
"""

_SAFE_BYTES: Final = 64
"""Has no room for references enough to matter: most names need no bound."""

_MANGLED = (b"_Z", b"__Z", b"___Z", b"____Z", b"_R", b"__R", b"?")
"""What mangled names begin with: Itanium and Rust, each also behind Mach-O's underscore, the
invocation functions of blocks, and MSVC."""

_DETOUR = re.compile(rb"(?:^|[/\\])\.\.?(?:[/\\]|$)")
_DRIVE = re.compile(rb"[A-Za-z]:(?:[/\\]|$)")
_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]+:")
"""Begins the paths of version control, such as `hg:host/repository:path:revision`, and URLs. A
single letter is a drive."""


def demangle(name: bytes) -> bytes:
    """Return `name` demangled; as it is if it is not mangled, or cannot be read.

    Itanium and MSVC names of C++, and both manglings of Rust, without the hash of the legacy one.
    """
    if not name.startswith(_MANGLED) or len(name) > MAX_MANGLED_BYTES or not name.isascii():
        return name
    text = name.decode("ascii")
    if len(text) > _SAFE_BYTES and bound_expansion(text) > MAX_EXPANSION:
        return name
    demangled = pydemumble.demangle(text).encode()
    return demangled if 0 < len(demangled) <= MAX_DEMANGLED_BYTES else name


def clean_path(path: bytes) -> bytes:
    r"""Return `path` without `./` and `directory/../`, by its text alone.

    A Windows path, one that has a drive or a `\`, comes back with `\` throughout. Paths of version
    control and URLs stay as they are. Nothing is above a root; a relative path may begin with `..`.
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
    r"""Return how many parts `..` cannot leave: those before a first slash, a drive, `\\host`."""
    if _DRIVE.fullmatch(parts[0]):
        return 1
    slashes = next((place for place, part in enumerate(parts) if part), len(parts))
    return slashes + (slashes > 1)
