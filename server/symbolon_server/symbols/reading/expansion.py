"""An upper bound for the length of a demangled name, computed before demangling.

A mangled name refers back to parts of itself, which may contain references too: 30 references can
expand to more than fits in memory, and the demangler then aborts the process. A part expands at
most to its own text plus the expansions of its references. Only a demangler knows where a part
starts and ends, so the longest possible part is assumed. The bounds are far too high for many
names, and still low enough for nearly all names that compilers write.
"""

import re
from math import prod
from typing import Final

_SUBSTITUTION = re.compile(r"S([0-9A-Z]*)_")
_ARGUMENT = re.compile(r"T[0-9]*_")
_PACK_OF_MORE = re.compile(r"Dp(?![KOPRV]*T[0-9]*_)")
"""Starts a pack pattern of more than its argument; it is repeated for each type of the argument."""

_BACKREF = re.compile(r"B([0-9a-zA-Z]*)_")
_ONLY_CHILD = re.compile(r"(?:N[A-Za-z]|[OPQRS]|L[0-9a-zA-Z]*_)*([BCa-z])")
"""Starts a v0 path or type of one nested part, with a crate, a basic type or a reference innermost.
"""

_DIGITS_62: Final = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def bound_expansion(name: str) -> int:
    """Return how many characters `name` can expand to, within a small factor."""
    if name.startswith("?"):
        return _bound_msvc(name)
    if name.startswith(("_R", "__R")):
        return _bound_rust(name)
    return _bound_itanium(name)


def _bound_itanium(name: str) -> int:
    """Return the bound of an Itanium name.

    The part for a substitution ends before its first use, and refers only to parts of lower
    numbers. A pack expansion repeats its pattern for each of its types.
    """
    places: dict[int, list[int]] = {}
    for match in _SUBSTITUTION.finditer(name):
        places.setdefault(int(match[1], 36) if match[1] else -1, []).append(match.start())
    known: list[tuple[int, list[int]]] = []
    for number in sorted(places):
        first = places[number][0]
        inside = (size * sum(at < first for at in uses) for size, uses in known)
        known.append((first + sum(inside), places[number]))
    size = len(name) + sum(size * len(uses) for size, uses in known)
    size *= 1 + len(_ARGUMENT.findall(name))
    return size * (len(name) if _PACK_OF_MORE.search(name) else 1)


def _bound_rust(name: str) -> int:
    """Return the bound of a Rust v0 name, whose references say where a part starts.

    The part ends before the reference.
    """
    sizes: dict[int, int] = {}
    start = name.index("_R") + 2
    for match in _BACKREF.finditer(name):
        at, target = match.start(), start + _read_base_62(match[1])
        child = _ONLY_CHILD.match(name, target, at) if target < at else None
        if child is None:
            inside = sum(size for place, size in sizes.items() if place > target)
        else:
            inside = sizes.get(child.start(1), 0)
        sizes[at] = max(at - target, 0) + inside
    return len(name) + sum(sizes.values())


def _read_base_62(digits: str) -> int:
    value = 0
    for digit in digits:
        value = value * len(_DIGITS_62) + _DIGITS_62.index(digit)
    return value + 1 if digits else 0


def _bound_msvc(name: str) -> int:
    """Return the bound of an MSVC name, whose references are digits: every digit counts as one."""
    return len(name) * prod(1 + name.count(digit) for digit in "0123456789")
