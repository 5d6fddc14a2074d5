"""Compares our answers with those of two references, and says which kind each difference is of."""

import re
from collections import Counter
from collections.abc import Sequence
from enum import Enum
from itertools import starmap

from tests.debug_files.compared.references import Frame, Frames


class Verdict(Enum):
    """What the comparison of one address shows; the text says who is right."""

    EQUAL = "all three say the same"

    UNANSWERED = "a reference knows no function or no line: padding, start-up code without lines"

    ARTIFICIAL = "addr2line says <artificial>: LLVM and we have the file, gcc's LTO hides it there"

    FEWER_CALLS = (
        "addr2line misses inlined calls of DWARF 5 ranges, at the same innermost line: LLVM and we "
        "are right, as all three find them in DWARF 4 of the same program"
    )

    OTHER_FILE = (
        "addr2line has the same line in the file of the unit: LLVM and we have the file that was "
        "included, in which the sources have that function"
    )

    BETWEEN = "the references disagree, and we say what one of them says"

    LINELESS = (
        "we know the function by the symbol table alone: the references are right, symbolic drops "
        "the rest of a line's row within which a symbol begins"
    )

    DIFFERENT = "the references agree, and we say something else: we are wrong until proven right"

    ALONE = "the references disagree, and we say what neither says"


Places = tuple[tuple[str, int], ...]


def places(frames: Frames) -> Places:
    """Return file and line of each frame."""
    return tuple((frame.file, frame.line) for frame in frames)


def judge(ours: Frames, llvm: Frames, addr2line: Frames) -> Verdict:
    """Return the verdict on the lines of one address."""
    if not (_is_answer(llvm) and _is_answer(addr2line)):
        return Verdict.UNANSWERED
    mine, first, second = places(ours), places(llvm), places(addr2line)
    if first == second:
        return Verdict.EQUAL if mine == first else _judge_difference(ours)
    if mine == first:
        return _judge_addr2line(first, second)
    return Verdict.BETWEEN if mine == second else Verdict.ALONE


def judge_all(
    ours: Sequence[Frames], llvm: Sequence[Frames], addr2line: Sequence[Frames]
) -> Counter[Verdict]:
    """Return the number of addresses with each verdict."""
    return Counter(starmap(judge, zip(ours, llvm, addr2line, strict=True)))


def share_equal(verdicts: Counter[Verdict], *named: Verdict) -> float:
    """Return the share of equal answers among those that both references give alike.

    Differences of a kind in `named` are left out.
    """
    wrong = {Verdict.LINELESS, Verdict.DIFFERENT}.difference(named)
    equal = verdicts[Verdict.EQUAL]
    return equal / max(1, equal + sum(verdicts[kind] for kind in wrong))


_CLONE = re.compile(r"(\.(cold|isra|part|constprop|lto_priv|llvm|localalias)(\.\d+)?)+$")
_STRUCTOR = re.compile(r"([CD])[0-4](?=E|I)")


def normalised(name: str) -> str:
    """Return a mangled name without what says which copy of the function it is.

    DWARF names the function of the source, the symbol table one of its copies: a part that gcc put
    elsewhere, or a constructor of a complete object, which shares the code of a base object's.
    """
    return _STRUCTOR.sub(r"\1", _CLONE.sub("", name))


def names(frames: Frames) -> tuple[str, ...]:
    """Return the normalised name of each frame."""
    return tuple(normalised(frame.name) for frame in frames)


def _is_answer(frames: Frames) -> bool:
    return bool(frames) and bool(frames[0].name and frames[0].file)


def _judge_difference(ours: Frames) -> Verdict:
    if len(ours) == 1 and not ours[0].file:
        return Verdict.LINELESS
    return Verdict.DIFFERENT


def _judge_addr2line(first: Places, second: Places) -> Verdict:
    if any(file.endswith("<artificial>") for file, _ in second):
        return Verdict.ARTIFICIAL
    if len(second) < len(first) and _is_part(second, first):
        return Verdict.FEWER_CALLS
    if [line for _, line in first] == [line for _, line in second]:
        return Verdict.OTHER_FILE
    return Verdict.BETWEEN


def _is_part(part: Places, whole: Places) -> bool:
    """Return whether `part` is `whole` with some of its places left out, but not the first."""
    left = iter(whole[1:])
    return part[0] == whole[0] and all(place in left for place in part[1:])


def nowhere(frame: Frame) -> bool:
    """Return whether a frame has neither file nor line."""
    return not frame.file and not frame.line
