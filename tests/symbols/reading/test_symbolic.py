"""The reader and the pages against `symbolic`, a resolver that shares no code with ours.

It omits a call whose code has no line record, and supports only 32-bit offsets, so it is compared
on well-formed files only: the sample, and generated ones.
"""

import re
from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symbolon_server.symbols.ground.answers import Answer, InlineAnswer
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.paging.writer import write_pages
from symbolon_server.symbols.reading.reader import SymbolFileReader
from tests.bench.world.symbolic_peer import convert, has_symbolic
from tests.symbols.read_texts import INGEST, find_in_pages
from tests.symbols.reading.merged_calls import MergedCalls, merged_calls
from tests.symbols.symbol_texts import MODULE_ID, MODULE_RECORD

pytestmark = pytest.mark.skipif(not has_symbolic(), reason="the extra native is not installed")

SAMPLE = Path(__file__).parents[2] / "data/sample/symbols"

Frames = tuple[InlineAnswer, ...]


def frames(answer: Answer | None) -> Frames:
    """Return function, file and line of each frame at an offset, innermost first."""
    if answer is None:
        return ()
    return (*answer.inlines, InlineAnswer(answer.function, answer.file, answer.line))


def frames_of_symbolic(locations: Iterable[Any]) -> Frames:
    return tuple(InlineAnswer(at.symbol, at.full_path, at.line) for at in locations)


def check(text: bytes, module_id: ModuleId, offsets: Iterable[int]) -> None:
    """Compare reader and pages with `symbolic` at `offsets`."""
    symcache = convert(text)
    table = SymbolFileReader(module_id, are_demangled=False).read([text])
    assert table.facts.skipped_records == {}
    find = find_in_pages(write_pages(table, "1-0", INGEST, page_weight=20))
    for offset in offsets:
        expected = frames_of_symbolic(symcache.lookup(offset))
        assert (frames(table.find(offset)), frames(find(offset))) == (expected, expected), offset


def test_the_sample_answers_as_symbolic_does() -> None:
    (path,) = SAMPLE.glob("*/*/*.sym")
    text = path.read_bytes()
    lines = re.findall(rb"^([0-9a-f]+) ([0-9a-f]+) [0-9]+ [0-9]+$", text, re.MULTILINE)
    spans = [(int(start, 16), int(size, 16)) for start, size in lines]
    offsets = [start + step for start, size in spans for step in range(size)]
    assert len(offsets) > 100
    module_id = ModuleId.parse(path.parent.parent.name, path.parent.name)
    check(text, module_id, offsets)


PATHS = st.lists(st.sampled_from(["a", "b.c", "..", ".", "c d"]), min_size=1, max_size=6)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["", "/", "./", "C:\\"]), PATHS), min_size=1))
def test_paths_are_cleaned_as_symbolic_cleans_them(
    given_paths: list[tuple[str, list[str]]],
) -> None:
    paths = []
    for root, parts in given_paths:
        depth = list(accumulate({"..": -1, ".": 0}.get(part, 1) for part in parts))
        left = [at for at, part in zip(depth, parts, strict=True) if part == ".."]
        if min(left, default=1) > 0 and parts[-1] not in (".", ".."):
            # Not back to the root, where symbolic makes an absolute path a relative one.
            paths.append(root + ("\\" if "C:" in root else "/").join(parts))
    files = [b"FILE %d %b" % (number, path.encode()) for number, path in enumerate(paths)]
    function = b"FUNC 1000 %x 0 f" % (len(paths) + 1)
    lines = [b"%x 1 1 %d" % (0x1000 + number, number) for number in range(len(paths))]
    text = b"\n".join([MODULE_RECORD, *files, function, *lines, b""])
    check(text, MODULE_ID, range(0x1000, 0x1000 + len(paths)))


@settings(max_examples=30, deadline=None)
@given(merged_calls())
def test_calls_merged_over_callers_answer_as_symbolic_does(made: MergedCalls) -> None:
    check(made.text, MODULE_ID, made.answers)
