"""Tables of real files against `symbolic`'s own lookups, and its rules for paths."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symbolon_server.symbols.native.columns import FILE_WIDTHS
from symbolon_server.symbols.native.reader import read_symcache
from symbolon_server.symbols.reading.spelling import clean_path
from tests.debug_files.mills import ARM64, DSYM, MINGW, PDB, RUST, Mill, wasm_mill
from tests.symbols.native.symbolic_caches import (
    convert_file,
    frames,
    look_up,
    needs_symbolic,
    open_cache,
    package,
)
from tests.symbols.native.symcaches import FACTS, File, Function, Location, SymCache

pytestmark = needs_symbolic

OFFSETS = 400


def clean(path: str) -> str:
    return clean_path(path.encode()).decode()


def check(cache: Any) -> int:
    """Compare both at borders of ranges and at random; return how many inline frames there were."""
    table = read_symcache(cache.open_stream().read(), FACTS, are_demangled=False)
    rng = random.Random(1)
    starts = table.ranges.start.tolist()
    borders = rng.sample(starts, min(OFFSETS, len(starts)))
    offsets = [max(0, at + step) for at in borders for step in (-1, 0, 1)]
    offsets += [rng.randrange(starts[-2] + 100) for _ in range(OFFSETS)]
    inlines = 0
    for offset in offsets:
        answer = table.find(offset)
        expected = [replace(at, file=clean(at.file)) for at in look_up(cache, offset)]
        assert frames(answer) == expected, offset
        if answer is not None:
            assert answer.function_start == cache.lookup(offset)[-1].sym_addr
            inlines += len(answer.inlines)
    return inlines


def test_the_version_of_the_installed_package_is_one_that_is_read() -> None:
    assert package().SYMCACHE_LATEST_VERSION == 9 == max(FILE_WIDTHS)


@pytest.mark.parametrize("mill", [ARM64, *RUST, DSYM, MINGW, PDB, wasm_mill()], ids=str)
def test_a_file_with_debug_information_answers_as_symbolic_does(mill: Mill) -> None:
    assert check(convert_file(mill.path)) > 0


def test_a_library_with_a_symbol_table_only_answers_as_symbolic_does() -> None:
    libraries = Path("/proc/self/maps").read_text().split()
    (libc,) = {Path(word) for word in libraries if word.endswith(("/libc.so.6", "/libc.so"))}
    assert check(convert_file(libc)) == 0


PARTS = st.lists(
    st.sampled_from(["a", "b.c", "/", "\\", "C:", "c:\\", "<", ">", " ", "é", "//", "d"]),
    max_size=4,
).map("".join)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(PARTS, PARTS, PARTS), min_size=1, max_size=10, unique=True))
def test_paths_are_joined_as_symbolic_joins_them(parts: list[tuple[str, str, str]]) -> None:
    # With a letter at the end, as symbolic drops a separator there when it cleans a path.
    files = [File(f"{name}f", directory, top) for top, directory, name in parts]
    ranges = [(number, Location(0, 1, number)) for number in range(len(files))]
    data = SymCache(files, [Function("f", 0)], [], ranges).write()
    table, peer = read_symcache(data, FACTS), open_cache(data)
    for number in range(len(files)):
        answer = table.find(number)
        assert answer is not None
        (at,) = look_up(peer, number)
        # A scheme and two slashes at the start mean something else to symbolic, whose separators
        # then differ; `test_repairs` has those.
        assert slashed(answer.file) == slashed(clean(at.file)), files[number]


def slashed(path: str) -> str:
    return path.replace("\\", "/")
