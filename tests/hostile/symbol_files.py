"""Hostile symbol files of any size, in pieces that are never in memory together."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from random import Random
from typing import NamedTuple

from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.symbols.reading.exploding_names import (
    explode_itanium,
    explode_msvc,
    explode_nested,
    explode_rust,
)

MODULE_ID = ModuleId.parse("hostile.so", "0123456789ABCDEF0123456789ABCDEF0")

FIRST_FUNCTION = "first"
FIRST_OFFSET = 0x10

_HEAD = b"MODULE Linux x86_64 0123456789ABCDEF0123456789ABCDEF0 hostile.so\nFUNC 10 8 0 first\n"
_LINES_AT_ONCE = 20_000
_MIB = 1 << 20


class HostileFile(NamedTuple):
    """One kind of hostile symbol file."""

    pieces: Callable[[int], Iterable[bytes]]
    """Returns the hostile records for a size."""

    full: int
    """The full size, in units of whatever there is too much of."""

    small: int
    """A size for the everyday tests."""

    is_too_much: bool = False
    """Whether the full size may exceed the memory limit."""


def make(file: HostileFile, size: int) -> Iterator[bytes]:
    """Yield a file in pieces of about a MiB or less: a good function, then the hostile records."""
    yield _HEAD
    yield from file.pieces(size)


def _join(lines: Iterable[bytes]) -> Iterator[bytes]:
    rest = iter(lines)
    while piece := b"".join(islice(rest, _LINES_AT_ONCE)):
        yield piece


def one_line(size: int) -> Iterator[bytes]:
    """Yield one FUNC record whose name has `size` bytes, and a symbol after it."""
    yield b"FUNC 1000 10 0 "
    for _ in range(size // _MIB):
        yield b"x" * _MIB
    yield b"\nPUBLIC 2000 0 after\n"


def file_records(size: int) -> Iterator[bytes]:
    return _join(b"FILE %d /src/%d.c\n" % (number, number) for number in range(size))


def file_numbers(size: int) -> Iterator[bytes]:
    """Yield FILE records around 2^63, to which a line refers."""
    yield b"FUNC 1000 %x 0 f\n" % size
    yield from _join(
        b"FILE %d a%d.c\n%x 1 7 %d\n" % (number, number, 0x1000 + place, number)
        for place, number in enumerate(range(2**63 - size, 2**63 + 1))
        if place < size
    )
    yield b"FILE %d b.c\nFILE -1 c.c\nFILE 99999999999999999999 d.c\n" % 2**63


def nested_inlines(size: int) -> Iterator[bytes]:
    """Yield a function in which each call is inlined into the previous one."""
    yield b"FUNC 1000 %x 0 outer\n" % (2 * size + 2)
    yield from _join(
        b"INLINE %d 1 0 %d %x %x\n" % (level, level % 10, 0x1001 + level, 2 * (size - level))
        for level in range(size)
    )


def inline_ranges(size: int) -> Iterator[bytes]:
    """Yield an INLINE record with this many ranges."""
    yield b"FUNC 1000 %x 0 outer\nINLINE 0 1 0 0" % (4 * size)
    yield from _join(b" %x 2" % (0x1000 + 4 * number) for number in range(size))
    yield b"\n"


def overlapping_functions(size: int) -> Iterator[bytes]:
    """Yield functions in random order, each of which overlaps the next one."""
    starts = list(range(size))
    Random(1).shuffle(starts)
    return _join(b"FUNC %x 14 0 f%d\n" % (0x1000 + 16 * start, start) for start in starts)


def apart_functions_under_one(size: int) -> Iterator[bytes]:
    """Yield disjoint functions in random order, and one over all of them."""
    starts = list(range(size))
    Random(1).shuffle(starts)
    yield from _join(b"FUNC %x 10 0 f%d\n" % (0x1000 + 16 * start, start) for start in starts)
    yield b"FUNC 0 %x 0 all\n" % (0x2000 + 16 * size)


def overlapping_lines(size: int) -> Iterator[bytes]:
    starts = list(range(size))
    Random(1).shuffle(starts)
    yield b"FUNC 1000 %x 0 f\n" % (16 * size)
    yield from _join(b"%x 14 %d 0\n" % (0x1000 + 16 * start, start + 1) for start in starts)


def overlapping_inlines(size: int) -> Iterator[bytes]:
    """Yield INLINE records each of which crosses its neighbours."""
    starts = list(range(size))
    Random(1).shuffle(starts)
    yield b"FUNC 1000 %x 0 f\n" % (16 * size)
    yield from _join(b"INLINE 0 1 0 0 %x 14\n" % (0x1000 + 16 * start) for start in starts)


def crossing_levels(size: int) -> Iterator[bytes]:
    """Yield a function with a hundred levels of calls, each of which extends past its callers.

    Each piece of each level is a distinct chain: at least a hundred times as many as records.
    """
    levels, step = 100, 256
    calls = size // levels
    yield b"FUNC 1000 %x 0 f\n" % (step * calls + levels)
    yield from _join(
        b"INLINE %d 1 0 0 %x %x\n" % (level, 0x1000 + level + step * call, step)
        for level in range(levels)
        for call in range(calls)
    )


def everything_overlaps(size: int) -> Iterator[bytes]:
    """Yield functions of the same addresses, each with lines and inlines over all of them."""
    return _join(
        b"FUNC 1000 %x 0 f\n1000 %x 1 0\n1000 %x 2 0\nINLINE 0 1 0 0 1000 %x\n"
        % (size, size, size, size)
        for _ in range(size)
    )


def overflowing_sizes(size: int) -> Iterator[bytes]:
    """Yield functions, lines and ranges at the end of 64 bits and beyond."""
    top = 2**64 - 2
    return _join(
        b"FUNC %x ffffffffffffffff 0 f\nFUNC %x %x 0 g\n%x %x 1 0\nINLINE 0 1 0 0 %x %x\n"
        b"%x fffffffffffffffff 1 0\nFUNC %x 10000000000000000 0 h\n"
        % (place, top - place, place + 1, top - place, top, top, top, place, place)
        for place in range(size)
    )


def public_symbols(size: int) -> Iterator[bytes]:
    return _join(b"PUBLIC %x 0 p%d\n" % (0x1000 + number, number) for number in range(size))


def empty_lines(size: int) -> Iterator[bytes]:
    for _ in range(size // _MIB):
        yield b"\n" * _MIB


def bad_records(size: int) -> Iterator[bytes]:
    """Yield records of every kind, each of them bad."""
    bad = b"FUNC g 1 0 f\n0 1 x 0\nFILE a\nINLINE 0 1\nPUBLIC\nINLINE_ORIGIN 1\nMODULE\n\xff\xfe\n"
    return _join(bad for _ in range(size))


def levels_without_the_first(size: int) -> Iterator[bytes]:
    """Yield functions whose INLINE records all have an unreachable level."""
    return _join(
        b"FUNC %x 10 0 f\nINLINE 5 1 0 0 %x 1\n" % (0x1000 + 16 * place, 0x1000 + 16 * place)
        for place in range(size)
    )


def functions_over_everything(size: int) -> Iterator[bytes]:
    """Yield functions so wide that no two of them fit the same 64 bits."""
    return _join(
        b"FUNC 0 ffffffffffffff00 0 f\n%x 1 1 0\nffffffffffff0000 1 1 0\n" % place
        for place in range(size)
    )


def wide_function(size: int) -> Iterator[bytes]:
    """Yield a function over all addresses, with ranges spread over them."""
    step = (2**64 - 2) // size
    yield b"FUNC 0 fffffffffffffffe 0 f\n"
    yield from _join(
        b"INLINE 0 1 0 0 %x %x\n%x 1 1 0\n" % (place * step, step // 2, place * step)
        for place in range(size)
    )


def exploding_names(size: int) -> Iterator[bytes]:
    """Yield functions whose mangled names expand exponentially."""
    names = (explode_itanium(size), explode_nested(size), explode_msvc(size), explode_rust(size))
    for place, name in enumerate(names):
        yield b"FUNC %x 10 0 %b\n" % (0x1000 + 16 * place, name.encode())


def deep_names(size: int) -> Iterator[bytes]:
    """Yield functions whose mangled names nest as deep as they are long."""
    for depth in (1_000, 16_000, size):
        yield b"FUNC %x 10 0 _Z1f%bi\n" % (0x1000 + 16 * depth, b"P" * depth)


HOSTILE_FILES = {
    "one line": HostileFile(one_line, 1 << 30, 20 * _MIB),
    "FILE records": HostileFile(file_records, 10_000_000, 20_000),
    "FILE numbers": HostileFile(file_numbers, 1_000_000, 2_000),
    "nested INLINE levels": HostileFile(nested_inlines, 100_000, 2_000),
    "ranges of one INLINE": HostileFile(inline_ranges, 1_000_000, 20_000),
    "functions that overlap": HostileFile(overlapping_functions, 1_000_000, 20_000),
    "functions under one": HostileFile(apart_functions_under_one, 1_000_000, 20_000),
    "lines that overlap": HostileFile(overlapping_lines, 2_000_000, 20_000),
    "inlines that overlap": HostileFile(overlapping_inlines, 1_000_000, 10_000),
    "everything overlaps": HostileFile(everything_overlaps, 1_000_000, 5_000),
    "sizes beyond 64 bits": HostileFile(overflowing_sizes, 500_000, 2_000),
    "PUBLIC records": HostileFile(public_symbols, 20_000_000, 20_000, is_too_much=True),
    "empty lines": HostileFile(empty_lines, 1 << 30, 2 * _MIB),
    "bad records": HostileFile(bad_records, 1_000_000, 2_000),
    "INLINE levels without the first": HostileFile(levels_without_the_first, 1_000_000, 2_000),
    "INLINE levels that cross": HostileFile(crossing_levels, 500_000, 5_000),
    "names that explode": HostileFile(exploding_names, 600, 40),
    "names that nest": HostileFile(deep_names, 10_000_000, 50_000),
    "functions over everything": HostileFile(functions_over_everything, 500_000, 500),
    "a function over everything": HostileFile(wide_function, 1_000_000, 2_000),
}
