"""Generated symbol files, small and crowded, so that all kinds of records overlap.

A record is written from a seed, so that Hypothesis chooses and drops one number per record: ten
times faster than a strategy for each of its words.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st

from symbolon_server.symbols.ground.module_ids import ModuleId

MODULE_ID: Final = ModuleId("foo.so", "0123456789ABCDEF0123456789ABCDEF0")
MODULE_RECORD: Final = b"MODULE Linux x86_64 0123456789ABCDEF0123456789ABCDEF0 foo.so"

EXTREMES: Final = (
    0,
    1,
    10**7 - 1,
    10**7,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**32,
    2**62,
    2**63 - 2,
    2**63 - 1,
    2**63,
    2**63 + 1,
    2**64 - 17,
    2**64 - 3,
    2**64 - 2,
    2**64 - 1,
    2**64,
    10**19,
    10**20,
)

_NAMES: Final = (
    *(b"f", b"g", b"operator()", b"f(int, char)", b" f", b"f ", b" ", b"m", b"0", b"5 f", b"-1 f"),
    *(b"- f", b"-2 f", b"-1", b"7", "größe".encode(), b"\xff\xfe", b"a\0b", b"x\0", b"\xe2\x82"),
    *(b"01 f", b"9223372036854775806 f", b"9223372036854775807 f", b"7  f", b"7 "),
)

_BAD_HEX: Final = (b"-5", b"+3", b"1_0", b"g", b"0x", b"x1", b"1h", b"12345678z", b"z1234567")
_BAD_DECIMAL: Final = (b"-5", b"-1", b"+3", b"1_0", b"a", b"0x1", b"1/", b":2", b"1234567a")
_GAPS: Final = (b" ", b" ", b" ", b" ", b" ", b" ", b" ", b"  ", b"   ")
_LINE_ENDS: Final = (b"\n", b"\n", b"\n", b"\n", b"\r\n", b"\r", b"\n\n", b"\r\r\n")

OTHER_RECORDS: Final = (
    b"STACK CFI INIT 1000 10 .cfa: $rsp 8 +",
    b"STACK ",
    b"INFO URL https://x/y",
    b"INFO CODE_ID 5F3A1B2C4D000 foo.so",
    b"INFO GENERATOR mozilla/dump_syms 2.3.4",
    b"MODULE windows x86 00000000000000000000000000000000 another.pdb",
    b"MODULE Linux x86_64 {01234567-89ab-cdef-0123-456789abcdef} foo.so",
    b"MODULE Linux",
    b"FUNC",
    b"FUNC ",
    b"FUNC m",
    b"FUNCTION 10 10 0 f",
    b"func 10 10 0 f",
    b"PUBLIC",
    b"PUBLIC 10 0",
    b"FILE",
    b"FILE 0",
    b"INLINE",
    b"INLINE ",
    b"INLINE 0 1 2 3 4",
    b"INLINE 0 1 2 3 4 5 6",
    b"INLINE_ORIGIN",
    b"INLINE_ORIGIN 0 5",
    b"INLINE_ORIGINS 0 f",
    b"INLINE_OXIGIN 0 f",
    b" FUNC 1 1 0 f",
    b"NEW record",
    b"zz",
    b" ",
    b"   ",
    b"0",
    b" 3 2 1 0",
    b"3 2 1 0 // comment",
    b"3 2 1 0 ",
    b"3 2 1  0",
    b"3\t2 1 0",
    b"\0",
    b"\xc3",
)
"""Records that do not depend on the world they are in."""


class World:
    """How a file is written, and which addresses it has."""

    def address(self, chance: random.Random) -> int:
        """Return an address; all are within fifty bytes."""
        return chance.randrange(48)

    def size(self, chance: random.Random) -> int:
        return chance.randrange(20)

    def hex(self, chance: random.Random, number: int) -> bytes:
        return b"%x" % number

    def decimal(self, chance: random.Random, number: int) -> bytes:
        return b"%d" % number

    def gap(self, chance: random.Random) -> bytes:
        return b" "


class OddWorld(World):
    """Numbers and gaps in every form that Breakpad's reader accepts or rejects."""

    def hex(self, chance: random.Random, number: int) -> bytes:
        if chance.random() < 0.8:
            return b"%x" % number
        form = chance.choice((b"%X", b"0x%x", b"0X%X", b"%020x", b"%016x", b"%09x", None))
        return form % number if form else chance.choice(_BAD_HEX)

    def decimal(self, chance: random.Random, number: int) -> bytes:
        if chance.random() < 0.8:
            return b"%d" % number
        form = chance.choice((b"%08d", b"%09d", b"%025d", None, None))
        return form % number if form else chance.choice((*_BAD_DECIMAL, b"%d" % _extreme(chance)))

    def gap(self, chance: random.Random) -> bytes:
        return chance.choice(_GAPS)


class HugeWorld(World):
    """Addresses and sizes around the limits."""

    def address(self, chance: random.Random) -> int:
        return _extreme(chance) if chance.random() < 0.7 else super().address(chance)

    def size(self, chance: random.Random) -> int:
        return _extreme(chance) if chance.random() < 0.7 else super().size(chance)


def _extreme(chance: random.Random) -> int:
    return max(chance.choice(EXTREMES) + chance.randint(-2, 2), 0)


CROWDED: Final = World()
ODD: Final = OddWorld()
HUGE: Final = HugeWorld()


@dataclass(frozen=True)
class RecordWriter:
    """Writes records of one world from one random source."""

    world: World
    chance: random.Random

    def write(self) -> bytes:
        """Return a record of any kind; frequent kinds are more likely."""
        many = (self._line, self._inline) * 3
        few = (self._function, self._function, self._public, self._named)
        if self.world is CROWDED:
            return self._any((*many, *few))
        record = self._any((*many, *few, self._other))
        is_cut = self.chance.random() < 0.1
        return record[: -self.chance.randint(1, 12)] or record if is_cut else record

    def _any(self, writers: Sequence[Callable[[], bytes]]) -> bytes:
        return self.chance.choice(writers)()

    def _other(self) -> bytes:
        return self.chance.choice(OTHER_RECORDS)

    def _function(self) -> bytes:
        word = self.chance.choice((b"FUNC", b"FUNC", b"FUNC m"))
        size = self._size() if self.chance.random() < 0.6 else b"30"
        return self._join(word, self._address(), size, self._hex(4)) + self._name()

    def _public(self) -> bytes:
        word = self.chance.choice((b"PUBLIC", b"PUBLIC", b"PUBLIC m"))
        return self._join(word, self._address(), self._hex(4)) + self._name()

    def _named(self) -> bytes:
        word = self.chance.choice((b"FILE", b"INLINE_ORIGIN"))
        return self._join(word, self._decimal(4)) + self._name()

    def _line(self) -> bytes:
        return self._join(self._address(), self._size(), self._line_number(), self._decimal(4))

    def _inline(self) -> bytes:
        level = self._decimal(self.chance.choice((1, 2, 4)))
        has_call_file = self.chance.random() < 0.7
        call_file = (self.chance.choice((self._decimal(4), b"-1")),) if has_call_file else ()
        numbers = self.chance.choice((1, 1, 2, 4))
        ranges = [part for _ in range(numbers) for part in (self._address(), self._size())]
        fields = (level, self._line_number(), *call_file, self._decimal(4), *ranges)
        return self._join(b"INLINE", *fields)

    def _join(self, *words: bytes) -> bytes:
        gaps = [self.world.gap(self.chance) for _ in words[1:]]
        return words[0] + b"".join(gap + word for gap, word in zip(gaps, words[1:], strict=True))

    def _name(self) -> bytes:
        names = _NAMES[:4] if self.world is CROWDED else _NAMES
        return b" " + self.chance.choice(names)

    def _address(self) -> bytes:
        return self.world.hex(self.chance, self.world.address(self.chance))

    def _size(self) -> bytes:
        return self.world.hex(self.chance, self.world.size(self.chance))

    def _hex(self, end: int) -> bytes:
        return self.world.hex(self.chance, self.chance.randrange(end))

    def _decimal(self, end: int) -> bytes:
        return self.world.decimal(self.chance, self.chance.randrange(end))

    def _line_number(self) -> bytes:
        numbers = (0, 1, 2, 3, 2**32 - 1) if self.world is CROWDED else (0, 1, 2, 2**32 - 1, 2**32)
        return self.world.decimal(self.chance, self.chance.choice(numbers))


_SEEDS: Final = st.integers(0, 2**32 - 1)


def symbol_files(
    *worlds: World, min_records: int = 1, max_records: int = 40
) -> st.SearchStrategy[bytes]:
    """Return texts of symbol files; the MODULE record comes first, the others in any order."""
    seeds = st.lists(_SEEDS, min_size=min_records, max_size=max_records)
    return st.builds(_write, st.sampled_from(worlds), seeds)


def _write(world: World, seeds: list[int]) -> bytes:
    records = [RecordWriter(world, random.Random(seed)).write() for seed in seeds]
    if world is CROWDED:
        return b"\n".join([MODULE_RECORD, *records, b""])
    chance = random.Random(sum(seeds))
    body = b"".join(record + chance.choice(_LINE_ENDS) for record in (MODULE_RECORD, *records))
    mark = chance.choice((b"", b"", b"\xef\xbb\xbf"))
    return mark + chance.choice((body, body.rstrip(b"\r\n"), body + b"\0\0"))
