"""Writes symbol files like those of large C++ programs.

Templates make names long, small functions are dissolved into others several levels deep, and
lines jump between the files of what was dissolved.
"""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

from symbolon_server.symbols.ground.module_ids import ModuleId

_VOCABULARY: Final = """
alloc async base buffer cache channel client commit config context cursor data decode device
disk entry error event fetch filter flush frame graph hash index input iter key layer layout
link list lock log map memory merge message meta monitor mutex name node notify object offset
open option output page parse path peer pool port queue read record region render request reset
resource result route scan scope seek segment send session shard signal slot snapshot socket
sort split stage state storage stream string sync table task thread timer token trace track
tree tuple update user value vector view visit wait watch window worker write zone
"""
_WORDS: Final = _VOCABULARY.split()
_SPACES: Final = ("std", "boost::container", "core::detail", "net", "store::internal", "ui")
_ARGUMENTS: Final = (
    "int",
    "unsigned long",
    "char const*",
    "std::shared_ptr<{}>",
    "std::vector<{}, std::allocator<{}> >&",
    "std::map<std::string, {}, std::less<std::string> > const&",
)
_FILE_EVERY = 9_000
_ORIGIN_EVERY = 700
"""Bytes of symbol file for each FILE and each INLINE_ORIGIN record."""

_DEEPEST = 6


class _Writer:
    def __init__(self, size: int, random: Random) -> None:
        self._random = random
        self._files = size // _FILE_EVERY + 4
        self._origins = size // _ORIGIN_EVERY + 4

    def write_names(self) -> Iterator[str]:
        for number in range(self._files):
            folders = "/".join(self._words(self._random.randint(1, 4)))
            yield f"FILE {number} /build/src/{folders}/{self._word()}_{number}.h"
        for number in range(self._origins):
            yield f"INLINE_ORIGIN {number} {self.name()}"

    def write_function(self, start: int, size: int) -> Iterator[str]:
        yield f"FUNC {start:x} {size:x} 0 {self.name()}"
        file = self._near(self._files)
        spans = [(start, start + size)]
        for level in range(_DEEPEST):
            inner = [span for outer in spans for span in self._dissolve(*outer)]
            for first, end in inner:
                line, origin = self._random.randint(1, 3_000), self._near(self._origins)
                yield f"INLINE {level} {line} {file} {origin} {first:x} {end - first:x}"
            spans = inner
        yield from self._write_lines(start, start + size, file)

    def _dissolve(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the stretches of a stretch that come from calls within it."""
        if end - start < 12 or self._random.random() < 0.3:
            return
        for _ in range(self._random.randint(1, 2)):
            first = start + self._random.randrange((end - start) // 2)
            length = self._random.randint(2, max(2, (end - first) // 2))
            yield first, first + length
            start = first + length
            if end - start < 12:
                return

    def _write_lines(self, start: int, end: int, file: int) -> Iterator[str]:
        line = self._random.randint(1, 4_000)
        while start < end:
            size = min(self._random.choice((2, 3, 4, 5, 7, 8, 12)), end - start)
            if self._random.random() < 0.35:
                file = self._near(self._files)
                line = self._random.randint(1, 4_000)
            yield f"{start:x} {size:x} {line} {file}"
            line = max(1, line + self._random.randint(-3, 6))
            start += size

    def _near(self, count: int) -> int:
        """Return one of `count` numbers: a few of them are used everywhere."""
        return int(count * self._random.random() ** 3)

    def name(self) -> str:
        space = self._random.choice(_SPACES)
        owner, method = self._word().title() + self._word().title(), "_".join(self._words(2))
        given = ", ".join(self._argument() for _ in range(self._random.randint(0, 4)))
        template = f"<{self._argument()}>" if self._random.random() < 0.4 else ""
        return f"{space}::{owner}{template}::{method}({given})"

    def _argument(self) -> str:
        name = self._word().title() + self._word().title()
        return self._random.choice(_ARGUMENTS).format(name, name)

    def _word(self) -> str:
        return self._random.choice(_WORDS)

    def _words(self, count: int) -> list[str]:
        return self._random.choices(_WORDS, k=count)


def write_symbol_file(path: Path, module_id: ModuleId, size: int, random: Random) -> None:
    """Write a symbol file of about `size` bytes; the same `random` gives the same file."""
    writer = _Writer(size, random)
    offset = 0x1000
    with path.open("w", encoding="ascii") as file:
        file.write(f"MODULE Linux x86_64 {module_id.debug_id} {module_id.debug_file}\n")
        file.writelines(f"{line}\n" for line in writer.write_names())
        while file.tell() < size:
            length = int(20 + random.paretovariate(1.2) * 40) % 20_000
            file.writelines(f"{line}\n" for line in writer.write_function(offset, length))
            offset += length + random.choice((0, 4, 8, 300))
        for _ in range(size // 20_000):
            offset += 16
            file.write(f"PUBLIC {offset:x} 0 {writer.name()}\n")
