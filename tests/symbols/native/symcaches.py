"""SymCaches as plain lists: written as bytes, and read by the slowest means.

This shares nothing with the reader but the numbers of the format. What covers an offset is found by
walking the ranges, and what is around an inline frame by walking its calls.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st

from symbolon_server.symbols.ground.answers import Answer, InlineAnswer
from symbolon_server.symbols.ground.pages import ModuleFacts

NONE: Final = 0xFFFFFFFF
X86_64: Final = 201
ARM: Final = 301
C: Final = 1
END: Final = 1 << 32

FACTS: Final = ModuleFacts("Linux", "x86_64", "a.so", "AB", 0, 0, 0, {}, format="elf")
"""What a file says of itself; the counts are the reader's to fill in."""

UNNAMED: Final = "<name omitted>"


@dataclass(frozen=True)
class File:
    name: str
    directory: str | None = ""
    compilation_directory: str | None = None


@dataclass(frozen=True)
class Function:
    name: str | None
    start: int | None = None
    language: int | None = C


@dataclass(frozen=True)
class Location:
    function: int
    line: int = 0
    file: int | None = None
    call: int | None = None


@dataclass
class SymCache:
    """A SymCache in the making."""

    files: Sequence[File] = ()
    functions: Sequence[Function] = ()
    calls: Sequence[Location] = ()
    ranges: Sequence[tuple[int, Location | None]] = ()
    """Starts, ascending; None is a gap."""

    architecture: int = X86_64

    def write(self, version: int = 9) -> bytes:
        """Return the cache as the bytes that `symbolic` would write."""
        strings = _Strings()
        files = []
        for file in self.files:
            numbers = [strings.put(text) for text in _parts(file)]
            files += numbers + [NONE] * (3 if version > 8 else 0)
        functions = [
            number
            for one in self.functions
            for number in (strings.put(one.name), NONE, _or_none(one.start), _or_none(one.language))
        ]
        locations = [*self.calls, *(location for _, location in self.ranges)]
        counts = (len(self.files), len(self.functions), len(locations), len(self.ranges))
        data = struct.pack("<4sI32s", b"SYMC", version, b"")
        data += struct.pack("<6I16x", self.architecture, *counts, len(strings.data))
        rows = [number for location in locations for number in _numbers(location)]
        for part in (files, functions, rows, [start for start, _ in self.ranges]):
            data = _pad(data) + struct.pack(f"<{len(part)}I", *part)
        return _pad(data) + strings.data

    def find(self, offset: int) -> Answer | None:
        """Return what the cache says about a module offset."""
        found = None
        for start, location in self.ranges:
            if start <= offset < END:
                found = location
        if found is None:
            return None
        inlines = []
        while found.call is not None:
            name = self.functions[found.function].name or UNNAMED
            inlines.append(InlineAnswer(name, self.path(found.file), found.line))
            found = self.calls[found.call]
        function = self.functions[found.function]
        start = self.start_of(found.function)
        is_public = function.language is None
        return Answer(
            function.name or UNNAMED,
            start,
            self.path(found.file),
            found.line,
            tuple(inlines),
            is_multiple=False,
            is_public=is_public,
            function_size=0 if is_public else self.size_of(found.function, start),
        )

    def path(self, number: int | None) -> str:
        """Return the path of a file whose parts are relative and plain."""
        return "" if number is None else "/".join(filter(None, _parts(self.files[number])))

    def start_of(self, function: int) -> int:
        """Return the entry of a function, or its lowest offset if that is before it."""
        first = next(start for start, _, root in self.spans() if root == function)
        entry = self.functions[function].start
        return first if entry is None else min(entry, first)

    def size_of(self, function: int, start: int) -> int:
        """Return how far the ranges of a function go on from its start, or after it."""
        runs: list[list[int]] = []
        last = None
        for first, end, root in self.spans():
            if root == function and last == function:
                runs[-1][1] = end
            elif root == function:
                runs.append([first, end])
            last = root
        around = [end for first, end in runs if first <= start < end]
        end = (around or [runs[0][1]])[0]
        return 0 if end == END else end - start

    def spans(self) -> Iterator[tuple[int, int, int | None]]:
        """Yield start, end and function of each range."""
        ends = [start for start, _ in self.ranges[1:]] + [END]
        for (start, location), end in zip(self.ranges, ends, strict=True):
            root = location
            while root is not None and root.call is not None:
                root = self.calls[root.call]
            yield start, end, None if root is None else root.function


class _Strings:
    def __init__(self) -> None:
        self.data = b""
        self._offsets: dict[str, int] = {}

    def put(self, text: str | None) -> int:
        if text is None:
            return NONE
        if text not in self._offsets:
            self._offsets[text] = len(self.data)
            data = text.encode()
            self.data += _leb128(len(data)) + data
        return self._offsets[text]


def _leb128(number: int) -> bytes:
    digits = b""
    while number > 0x7F:
        digits += bytes([number & 0x7F | 0x80])
        number >>= 7
    return digits + bytes([number])


def _parts(file: File) -> tuple[str | None, str | None, str]:
    return file.compilation_directory, file.directory, file.name


def _or_none(number: int | None) -> int:
    return NONE if number is None else number


def _numbers(location: Location | None) -> tuple[int, int, int, int]:
    if location is None:
        return NONE, NONE, NONE, NONE
    file, call = _or_none(location.file), _or_none(location.call)
    return file, location.line, location.function, call


def _pad(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 8)


_NAMES = st.sampled_from(["f", "g", "", None, "größe", "n" * 130, "_Z1hv"])
_LINES = st.sampled_from([0, 1, 2, 70_000, 2**32 - 1])
_STARTS = st.one_of(st.integers(0, 40), st.sampled_from([2**31, 2**32 - 2, 2**32 - 1]))
_DIRECTORIES = st.sampled_from([None, "", "d", "e/f"])
_FILES = st.builds(File, st.sampled_from(["a.c", "b.h"]), _DIRECTORIES, _DIRECTORIES)
_FUNCTIONS = st.builds(
    Function, _NAMES, st.one_of(st.none(), st.integers(0, 40)), st.sampled_from([None, 0, C, 7])
)


@st.composite
def symcaches(draw: st.DrawFn, *, are_inlines_named: bool = False) -> SymCache:
    """Return small caches whose functions, calls and ranges meet in every way."""
    files = draw(st.lists(_FILES, max_size=3, unique=True))
    functions = draw(st.lists(_FUNCTIONS, min_size=1, max_size=4))
    if are_inlines_named:
        functions = [Function(one.name or "named", one.start or 0, C) for one in functions]
    calls: list[Location] = []
    wanted = draw(st.integers(0, 5))

    def location() -> Location:
        file = draw(st.integers(0, len(files))) if files else 0
        call = draw(st.integers(0, len(calls)))
        return Location(
            draw(st.integers(0, len(functions) - 1)),
            draw(_LINES),
            file - 1 if file else None,
            call - 1 if call else None,
        )

    while len(calls) < wanted:
        calls.append(location())
    starts = sorted(draw(st.sets(_STARTS, max_size=12)))
    is_gap = st.sampled_from([True, False, False, False])
    ranges = [(start, None if draw(is_gap) else location()) for start in starts]
    return SymCache(files, functions, calls, ranges)


def borders(cache: SymCache) -> Iterator[int]:
    """Yield each offset at which an answer can change, and those beside it."""
    for start, _ in cache.ranges:
        yield from (max(0, start - 1), start, start + 1)
    yield from (0, END - 1, END, END + 40, 2**64 - 1)
