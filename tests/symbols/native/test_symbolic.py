"""Tables of real files against `symbolic`'s own lookups, and its rules for paths."""

import random
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symbolon_server.symbols.native.columns import FILE_WIDTHS
from symbolon_server.symbols.native.reader import read_symcache
from symbolon_server.symbols.reading.spelling import clean_path
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

SOURCE = r"""
#include <algorithm>
#include <map>
#include <string>
#include <vector>
struct Apple { int weight; int heavier(int by) const { return weight * by + 1; } };
template <class T> T sum(const std::vector<T> &all) {
  T s{};
  for (auto &one : all) s += one;
  return s;
}
int main(int argc, char **argv) {
  std::vector<int> all;
  for (int i = 0; i < argc * 10; i++) all.push_back(Apple{i}.heavier(argc));
  std::sort(all.begin(), all.end(), [](int a, int b) { return a > b; });
  std::map<std::string, int> counts;
  for (int one : all) counts[std::to_string(one)] += one;
  if (argc > 5) throw std::string(argv[0]);
  return sum(all) + counts.size();
}
"""


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


@pytest.mark.parametrize(
    ("compiler", "flags"),
    [
        ("g++", ("-O2", "-gdwarf-5")),
        ("g++", ("-O0", "-gdwarf-4")),
        ("clang++", ("-O3", "-gdwarf-5", "-flto")),
    ],
)
def test_a_program_with_debug_information_answers_as_symbolic_does(
    compiler: str, flags: tuple[str, ...], tmp_path: Path
) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    source, program = tmp_path / "a.cpp", tmp_path / "a"
    source.write_text(SOURCE)
    made = subprocess.run([compiler, *flags, source, "-o", program], check=False)
    if made.returncode:
        pytest.skip(f"{compiler} cannot link with {flags[0]}")
    assert (check(convert_file(program)) > 0) == (flags[0] != "-O0")


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
