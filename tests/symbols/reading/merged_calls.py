"""Symbol files as mozilla/dump_syms writes them, with the call chains that they were made from.

First calls are generated, as in a compiler's debug information: what is called at each byte, and
from where. Then they are written as that program does: the ranges of one call (the same level, call
site and origin) are collected over all its callers, adjacent ones are merged, and the records of a
function are sorted by first range and level. So a call may be in several callers, extend past their
ends and precede them, and levels jump.
"""

import random
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from hypothesis import strategies as st

from symbolon_server.symbols.ground.answers import Answer, InlineAnswer
from tests.symbols.symbol_texts import MODULE_RECORD

_FILES: Final = 4
_ORIGINS: Final = 6
_DEEPEST: Final = 5
_FUNCTION_BYTES: Final = 48
_FUNCTION_STARTS: Final = (0x1000, 0x1000 + _FUNCTION_BYTES, 0x2000)


@dataclass(frozen=True)
class Call:
    """One inlined call, at whichever places."""

    level: int
    call_line: int
    call_file: int
    origin: int


@dataclass(frozen=True)
class Code:
    """The origin of one byte of code."""

    calls: tuple[Call, ...]
    """Outermost first."""

    line: int
    file: int


@dataclass(frozen=True)
class MergedCalls:
    """A symbol file and the correct answer for each of its offsets."""

    text: bytes
    answers: dict[int, Answer]


def merged_calls() -> st.SearchStrategy[MergedCalls]:
    """Return files of three functions, two of which touch."""
    return st.builds(_make, st.integers(0, 2**32 - 1))


def _make(seed: int) -> MergedCalls:
    chance = random.Random(seed)
    records = [MODULE_RECORD]
    records += [b"FILE %d src/%d.c" % (number, number) for number in range(_FILES)]
    records += [b"INLINE_ORIGIN %d call%d()" % (number, number) for number in range(_ORIGINS)]
    answers = {}
    for number, start in enumerate(_FUNCTION_STARTS):
        code = _compile(chance, [], _FUNCTION_BYTES)
        records.append(b"FUNC %x %x 0 function%d()" % (start, len(code), number))
        records += _write_calls(start, code)
        records += _write_lines(start, code)
        for place, one in enumerate(code):
            answers[start + place] = _answer(number, start, one)
    return MergedCalls(b"\n".join([*records, b""]), answers)


def _compile(chance: random.Random, calls: list[Call], size: int) -> list[Code]:
    """Return `size` bytes of code within `calls`; few call sites, so that many calls are merged."""
    code: list[Code] = []
    while len(code) < size:
        some = chance.randint(1, size - len(code))
        if len(calls) < _DEEPEST and chance.random() < 0.6:
            call = Call(len(calls), chance.randint(1, 3), chance.randrange(2), chance.randrange(4))
            code += _compile(chance, [*calls, call], some)
        else:
            line = Code(tuple(calls), chance.randint(1, 9), chance.randrange(_FILES))
            code += [line] * min(some, 4)
    return code


def _write_calls(start: int, code: list[Code]) -> list[bytes]:
    places: dict[Call, list[int]] = {}
    for place, one in enumerate(code):
        for call in one.calls:
            places.setdefault(call, []).append(place)
    by_first = sorted(places.items(), key=lambda item: (item[1][0], item[0].level))
    return [_write_call(start, call, covered) for call, covered in by_first]


def _write_call(start: int, call: Call, places: list[int]) -> bytes:
    fields = [b"INLINE %d %d %d %d" % (call.level, call.call_line, call.call_file, call.origin)]
    for _, run in groupby(enumerate(places), key=lambda pair: pair[1] - pair[0]):
        touching = [place for _, place in run]
        fields.append(b"%x %x" % (start + touching[0], len(touching)))
    return b" ".join(fields)


def _write_lines(start: int, code: list[Code]) -> list[bytes]:
    records = []
    for (line, file), run in groupby(
        enumerate(code), key=lambda pair: (pair[1].line, pair[1].file)
    ):
        places = [place for place, _ in run]
        records.append(b"%x %x %d %d" % (start + places[0], len(places), line, file))
    return records


def _answer(number: int, start: int, code: Code) -> Answer:
    file, line = code.file, code.line
    inlines = []
    for call in reversed(code.calls):
        inlines.append(InlineAnswer(f"call{call.origin}()", f"src/{file}.c", line))
        file, line = call.call_file, call.call_line
    return Answer(
        f"function{number}()", start, f"src/{file}.c", line, tuple(inlines), is_multiple=False
    )
