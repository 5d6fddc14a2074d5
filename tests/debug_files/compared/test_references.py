"""Compiled programs are answered as llvm-symbolizer and addr2line answer them.

The references share no code, and each is wrong somewhere: an answer counts where both give the
same. `Verdict` names every kind of the other answers, and says who is right.
"""

import re
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from symbolon_server.debug_files.conversion import convert
from symbolon_server.symbols.ground.errors import OtherModuleError
from symbolon_server.symbols.reading.symbol_table import UNNAMED_ORIGIN
from tests.debug_files.compared.asking import LEAST_SHARE, MOST_BYTES, Compared, ask_all, ask_us
from tests.debug_files.compared.comparing import Verdict, names, nowhere, places, share_equal
from tests.debug_files.compared.references import ask_llvm, frames_of
from tests.debug_files.compiling import (
    Binary,
    Recipe,
    code_addresses,
    compile_program,
    load_address,
    run,
)

LEAST_ADDRESSES = 900

_COPY = re.compile(r"(?: \(\.[a-z]+(?:\.\d+)*\))+$")
"""What LLVM shows of the suffix of a function's copy."""

OBJCOPY_DEBUG = "objcopy --only-keep-debug {program} {debug_file}"
ZSTD = "objcopy --compress-debug-sections=zstd {program} {debug_file}"
DWZ = "dwz -o {debug_file} {program}"
DWZ_SHARED = ("cp {program} {program}.other", "dwz -m {folder}/common {program} {program}.other")

RECIPES = [
    Recipe("g++", "-O0 -gdwarf-4"),
    Recipe("g++", "-O1 -gdwarf-5"),
    Recipe("g++", "-O2 -gdwarf-4"),
    Recipe("g++", "-O3 -gdwarf-5"),
    Recipe("g++", "-O2 -g -flto"),
    Recipe("g++", "-O3 -g -ffunction-sections -Wl,--gc-sections"),
    Recipe("g++", "-O2 -g -gz=zlib"),
    Recipe("g++", "-O2 -g", [ZSTD]),
    Recipe("g++", "-O2 -g -no-pie"),
    Recipe("g++", "-O2 -g", [OBJCOPY_DEBUG]),
    Recipe("g++", "-O2 -g", [DWZ]),
    Recipe("clang++", "-O0 -gdwarf-5"),
    Recipe("clang++", "-O1 -gdwarf-4"),
    Recipe("clang++", "-O2 -gdwarf-4"),
    Recipe("clang++", "-O3 -gdwarf-5"),
    Recipe("clang++", "-O2 -g -flto -fuse-ld=lld"),
    Recipe("clang++", "-O2 -g -gz"),
    Recipe("g++", "-O2 -g1"),
    Recipe("clang++", "-O0 -gdwarf-4 -gline-tables-only"),
    Recipe("clang++", "-O2 -gline-tables-only"),
    Recipe("clang++", "-O2 -gdwarf-4 -gline-tables-only -ffunction-sections -Wl,--gc-sections"),
    Recipe("clang++", "-O1 -gline-tables-only -gz -no-pie", [OBJCOPY_DEBUG]),
]
EVERY_RECIPE = pytest.mark.parametrize("recipe", RECIPES, ids=str)


Compare = Callable[[Recipe], Compared]


@pytest.fixture(scope="module")
def compare(tmp_path_factory: pytest.TempPathFactory) -> Compare:
    """Return a function that compiles the mill by a recipe and asks all three about it, once."""

    @cache
    def compare(recipe: str) -> Compared:
        folder = tmp_path_factory.mktemp("mill")
        return ask_all(compile_program(folder, by_name[recipe]))

    by_name = {str(recipe): recipe for recipe in [*RECIPES, *SILENT]}
    return lambda recipe: compare(str(recipe))


@pytest.mark.promise(
    "Native debug files are answered as two independent readers answer", group="answers"
)
@EVERY_RECIPE
def test_every_frame_has_the_file_and_line_of_both_references(
    recipe: Recipe, compare: Compare
) -> None:
    verdicts = compare(recipe).verdicts
    assert verdicts[Verdict.EQUAL] >= LEAST_ADDRESSES
    assert share_equal(verdicts) >= LEAST_SHARE, verdicts
    assert not verdicts[Verdict.LINELESS], verdicts
    assert not verdicts[Verdict.ALONE], verdicts
    assert not verdicts[Verdict.BETWEEN], verdicts


@EVERY_RECIPE
def test_every_frame_has_the_name_that_a_reference_gives(recipe: Recipe, compare: Compare) -> None:
    compared = compare(recipe)
    asked = zip(compared.ours, compared.llvm, compared.addr2line, strict=True)
    answered = [(names(ours), names(llvm), names(other)) for ours, llvm, other in asked if ours]
    known = [each for each in answered if all(each[1])]
    assert len(known) >= LEAST_ADDRESSES
    wrong = [each for each in known if each[0] not in each[1:]]
    assert len(wrong) <= (1 - LEAST_SHARE) * len(known), wrong[:3]


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_demangled_names_are_those_of_llvm(compiler: str, tmp_path: Path) -> None:
    binary = compile_program(tmp_path, Recipe(compiler, "-O2 -gdwarf-4"))
    addresses, base = code_addresses(binary.program), load_address(binary.program)
    table = convert(binary.debug_file, binary.asked, max_unpacked_bytes=MOST_BYTES)
    answered = [
        (frames_of(table.find(address - base)), llvm)
        for address, llvm in zip(
            addresses, ask_llvm(binary.program, addresses, "--demangle"), strict=True
        )
        if llvm and llvm[0].name and llvm[0].file
    ]
    assert len(answered) >= LEAST_ADDRESSES
    for ours, llvm in answered:
        assert [frame.name for frame in ours] == [_COPY.sub("", frame.name) for frame in llvm]


@EVERY_RECIPE
def test_padding_between_functions_belongs_to_none(recipe: Recipe, compare: Compare) -> None:
    """LLVM answers it with a line and no function, addr2line with the function before."""
    compared = compare(recipe)
    padding = [
        ours
        for ours, llvm in zip(compared.ours, compared.llvm, strict=True)
        if not (llvm and llvm[0].name)
    ]
    assert not any(frames and not nowhere(frames[0]) for frames in padding)


@EVERY_RECIPE
def test_whole_debug_information_is_told_without_a_note(recipe: Recipe, compare: Compare) -> None:
    facts = compare(recipe).table.facts
    assert facts.format == "elf"
    assert facts.has_debug_info
    assert facts.notes == ()
    assert facts.skipped_records == {}


SPLIT = [
    Recipe("g++", "-O2 -gdwarf-4 -gsplit-dwarf"),
    Recipe("g++", "-O2 -gdwarf-5 -gsplit-dwarf"),
    Recipe("clang++", "-O2 -gdwarf-4 -gsplit-dwarf"),
    Recipe("clang++", "-O2 -gdwarf-5 -gsplit-dwarf"),
]
NO_BUILD_ID = "objcopy --only-keep-debug --remove-section=.note.gnu.build-id {program} {debug_file}"
SHARED = Recipe("g++", "-O2 -g", DWZ_SHARED)
SILENT = [*SPLIT, SHARED]


@pytest.mark.promise("What a native debug file leaves to another file is told")
@pytest.mark.parametrize("recipe", SPLIT, ids=str)
def test_split_debug_information_is_told(recipe: Recipe, compare: Compare) -> None:
    (note,) = compare(recipe).table.facts.notes
    assert "split DWARF" in note
    assert "lines" in note


@pytest.mark.parametrize("recipe", SPLIT, ids=str)
def test_split_debug_information_leaves_names_without_lines(
    recipe: Recipe, compare: Compare
) -> None:
    compared = compare(recipe)
    answered = [frames for frames in compared.ours if frames]
    assert len(answered) >= LEAST_ADDRESSES
    assert all(len(frames) == 1 and nowhere(frames[0]) for frames in answered)


@pytest.mark.promise("What a native debug file leaves to another file is told")
def test_debug_information_shared_by_dwz_is_told(compare: Compare) -> None:
    (note,) = compare(SHARED).table.facts.notes
    assert "gnu_debugaltlink" in note
    assert compare(SHARED).table.facts.skipped_records["unnamed_inlines"] > 0


def test_names_shared_by_dwz_are_omitted_and_lines_are_right(compare: Compare) -> None:
    whole, shared = compare(Recipe("g++", "-O2 -g", [DWZ])), compare(SHARED)
    omitted = 0
    for here, there in zip(shared.ours, whole.ours, strict=True):
        assert [(frame.file, frame.line) for frame in here] == [
            (frame.file, frame.line) for frame in there
        ]
        pairs = list(zip(here, there, strict=True))
        unnamed = [mine for mine, other in pairs if mine.name != other.name]
        assert {frame.name for frame in unnamed} <= {UNNAMED_ORIGIN.decode()}
        omitted += len(unnamed)
    assert omitted > 0


def test_a_debug_file_without_a_build_id_has_no_id_at_all(tmp_path: Path) -> None:
    """The id would be made of the code, which is not in it: all such files would have the same."""
    binary = compile_program(tmp_path, Recipe("g++", "-O2 -g", [NO_BUILD_ID]))
    with pytest.raises(OtherModuleError, match="no id"):
        convert(binary.debug_file, binary.asked, max_unpacked_bytes=MOST_BYTES)


TWO_KINDS = """
__attribute__((noinline)) int alone(int x) { return (x * 3) ^ (x >> 2); }
static inline int twice(int x) { return x * 2 + 7; }
__attribute__((noinline)) int calling(int x) { return x ^ twice(x); }
int main(int argc, char **) { return alone(argc) + calling(argc); }
"""
"""Functions without an inlined call, and one with."""


@pytest.mark.promise("Functions that only a line table describes have their lines")
@pytest.mark.parametrize("options", ["-O0 -g1", "-O2 -gline-tables-only", "-O2 -gdwarf-4 -g1"])
def test_line_tables_alone_give_the_lines_of_functions(options: str, tmp_path: Path) -> None:
    """Clang describes only functions with inlined calls then; symbolic reads lines by function."""
    (tmp_path / "kinds.cpp").write_text(TWO_KINDS)
    binary = compile_program(tmp_path, Recipe("clang++", options), [str(tmp_path / "kinds.cpp")])
    addresses = code_addresses(binary.program)
    table, ours = ask_us(binary, addresses)
    assert table.facts.has_debug_info
    named = {"_Z5alonei", "_Z7callingi", "main"}
    pairs = zip(ours, ask_llvm(binary.program, addresses), strict=True)
    compared = [(mine, llvm) for mine, llvm in pairs if llvm and llvm[-1].name in named]
    assert {mine[-1].name for mine, _ in compared} == named
    assert all(mine == llvm for mine, llvm in compared)
    base = load_address(binary.program)
    answers = [table.find(address - base) for address in addresses]
    found = [each for each in answers if each is not None and each.function in named]
    assert not any(each.is_public for each in found)
    assert all(each.function_size for each in found)


RUST = """
#[inline(never)] fn alone(x: i32) -> i32 { (x * 3) ^ (x >> 2) }
fn main() {
    let words: Vec<String> = std::env::args().collect();
    let sizes = words.iter().map(|word| alone(word.len() as i32));
    println!("{}", sizes.sum::<i32>());
}
"""


def has_rust() -> bool:
    """Return whether rustc runs: that of rustup may be there without a toolchain."""
    program = shutil.which("rustc")
    return program is not None and subprocess.call([program, "--version"]) == 0


@pytest.mark.skipif(not has_rust(), reason="Rust is not installed")
@pytest.mark.parametrize("options", ["-Copt-level=0", "-Copt-level=3"])
def test_rust_with_line_tables_only_has_all_lines(options: str, tmp_path: Path) -> None:
    (tmp_path / "words.rs").write_text(RUST)
    line_tables = ["-Cdebuginfo=line-tables-only", "-Clink-arg=-Wl,--build-id=sha1"]
    run(["rustc", options, *line_tables, "words.rs", "-o", "words"], tmp_path)
    program = tmp_path / "words"
    addresses = code_addresses(program)[::61]
    _, ours = ask_us(Binary(program, program), addresses)
    pairs = zip(ours, ask_llvm(program, addresses), strict=True)
    known = [(mine, llvm) for mine, llvm in pairs if llvm and llvm[0].name and llvm[0].file]
    assert len(known) >= LEAST_ADDRESSES
    assert all(places(mine) == places(llvm) for mine, llvm in known)
