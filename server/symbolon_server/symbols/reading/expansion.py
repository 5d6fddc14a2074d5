"""How long what a mangled name stands for can be, before a demangler writes it out.

A mangled name refers back to parts of itself, which may do so as well: what 30 references stand
for fills the memory, and the demangler ends the process. What a part stands for is at most its own
text and what the references in it stand for. Where a part begins and ends is for a demangler to
know; it is taken for all that it can be, so that the bounds are far too high for many names, and
still low enough for nearly all that compilers write.
"""

import re
from math import prod
from typing import Final

_SUBSTITUTION = re.compile(r"S([0-9A-Z]*)_")
_ARGUMENT = re.compile(r"T[0-9]*_")
_PACK_OF_MORE = re.compile(r"Dp(?![KOPRV]*T[0-9]*_)")
"""Begins a pattern of more than its argument, which is written for each of the argument's types."""

_BACKREF = re.compile(r"B([0-9a-zA-Z]*)_")
_ONLY_CHILD = re.compile(r"(?:N[A-Za-z]|[OPQRS]|L[0-9a-zA-Z]*_)*([BCa-z])")
"""Begins a path or type of v0 with one part inside, and a crate, a plain type or a reference
innermost."""

_DIGITS_62: Final = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def bound_expansion(name: str) -> int:
    """Return how many characters `name` can stand for, give or take a small factor."""
    if name.startswith("?"):
        return _bound_msvc(name)
    if name.startswith(("_R", "__R")):
        return _bound_rust(name)
    return _bound_itanium(name)


def _bound_itanium(name: str) -> int:
    """Return the bound of an Itanium name.

    A substitution's part is over where it is first referred to, and refers to parts of lower
    numbers only. A pack writes its pattern once for each of its types.
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
    """Return the bound of a Rust name of v0, whose references say where a part begins.

    The part is over before the reference.
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
    """Return the bound of a MSVC name, whose references are digits: all are taken for some."""
    return len(name) * prod(1 + name.count(digit) for digit in "0123456789")
