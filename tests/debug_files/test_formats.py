"""Every native format gives the frames that the references and the sources give."""

import struct
from collections import Counter
from dataclasses import replace
from enum import Enum
from functools import cache
from pathlib import Path

import pytest

from symbolon_server.debug_files.conversion import convert
from symbolon_server.symbols.ground.answers import Answer, InlineAnswer
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.errors import (
    MalformedSymbolFileError,
    OtherModuleError,
    UnsupportedFileError,
)
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.paging.linkage_names import divide_answer
from symbolon_server.symbols.reading.symbol_table import SymbolTable
from tests.debug_files.compared.comparing import Verdict, judge_all, names, places, share_equal
from tests.debug_files.compared.references import Frames, ask_addr2line, ask_llvm, frames_of
from tests.debug_files.compared.sources import base_name, is_called_there, wrong_calls
from tests.debug_files.compiling import NATIVE
from tests.debug_files.mills import DSYM, FAT, MILLS, MINGW, PDB, RUST, THUMB, Mill

MOST_BYTES = 1 << 30
LEAST_SHARE = 0.999
LEAST_ADDRESSES = 500

EVERY_MILL = pytest.mark.parametrize("mill", MILLS, ids=str)
WASM_MAIN = "__original_main"
"""What clang calls `main` in wasm; DWARF has the name of the source."""

NOT_RUST = [mill for mill in MILLS if mill not in RUST]


@cache
def table_of(mill: Mill, *, are_demangled: bool = False) -> SymbolTable:
    return convert(
        mill.path, mill.asked, are_demangled=are_demangled, max_unpacked_bytes=MOST_BYTES
    )


@cache
def our_frames(mill: Mill, *, are_demangled: bool = False) -> list[Frames]:
    table, base = table_of(mill, are_demangled=are_demangled), mill.load_address
    return [frames_of(table.find(address - base)) for address in mill.addresses]


@cache
def llvm_frames(mill: Mill) -> list[Frames]:
    options = ("--no-demangle", *mill.llvm_options)
    return ask_llvm(mill.reference_path, mill.addresses, *options)


def answered_by_both(mill: Mill) -> list[tuple[Frames, Frames]]:
    """Return our frames and LLVM's, where LLVM knows a function and a line."""
    pairs = zip(our_frames(mill), llvm_frames(mill), strict=True)
    return [(ours, llvm) for ours, llvm in pairs if ours and llvm and llvm[0].name and llvm[0].file]


@pytest.mark.promise("Native debug files are answered as two independent readers answer")
@pytest.mark.parametrize("mill", [mill for mill in MILLS if mill.reads_addr2line], ids=str)
def test_every_frame_has_the_file_and_line_of_both_references(mill: Mill) -> None:
    addr2line = ask_addr2line(mill.path, mill.addresses)
    verdicts = judge_all(our_frames(mill), llvm_frames(mill), addr2line)
    assert verdicts[Verdict.EQUAL] >= LEAST_ADDRESSES
    assert share_equal(verdicts) >= LEAST_SHARE, verdicts
    assert not verdicts[Verdict.ALONE] + verdicts[Verdict.BETWEEN], verdicts


@pytest.mark.parametrize("mill", [mill for mill in MILLS if mill != PDB], ids=str)
def test_every_frame_of_dwarf_has_the_file_and_line_of_llvm(mill: Mill) -> None:
    wrong = [pair for pair in answered_by_both(mill) if places(pair[0]) != places(pair[1])]
    assert len(wrong) <= (1 - LEAST_SHARE) * len(answered_by_both(mill)), wrong[:3]


@pytest.mark.parametrize("mill", NOT_RUST, ids=str)
def test_every_inlined_call_is_one_that_the_sources_have(mill: Mill) -> None:
    answered = our_frames(mill, are_demangled=True)
    assert sum(len(frames) > 1 for frames in answered) >= LEAST_ADDRESSES
    assert [call for frames in answered for call in wrong_calls(frames)] == []


class PdbVerdict(Enum):
    """What the comparison of a PDB with the DWARF of the same code shows."""

    EQUAL = "the references agree on the DWARF, and the PDB gives us the same"

    UNANSWERED = "a reference knows no function or no line"

    OTHERWISE = (
        "the compiler wrote other calls or another innermost line into the PDB: LLVM finds as many "
        "frames there as we do, and the innermost line is LLVM's of the PDB or of the DWARF"
    )

    DIFFERENT = "we say something else: we are wrong until proven right"


def judge_pdb(ours: Frames, of_pdb: Frames, llvm: Frames, addr2line: Frames) -> PdbVerdict:
    if not (of_pdb and of_pdb[0].file and places(llvm) == places(addr2line) and llvm[0].file):
        return PdbVerdict.UNANSWERED
    if places(ours) == places(llvm):
        return PdbVerdict.EQUAL
    innermost = {places(of_pdb)[0], places(llvm)[0]}
    if len(ours) == len(of_pdb) and places(ours)[0] in innermost:
        return PdbVerdict.OTHERWISE
    return PdbVerdict.DIFFERENT


@pytest.mark.promise("Native debug files are answered as two independent readers answer")
def test_a_pdb_gives_the_frames_that_dwarf_gives_of_the_same_code() -> None:
    same_code = NATIVE / "mill-dwarf.exe"
    verdicts = Counter(
        map(
            judge_pdb,
            our_frames(PDB),
            llvm_frames(PDB),
            ask_llvm(same_code, PDB.addresses),
            ask_addr2line(same_code, PDB.addresses),
        )
    )
    answered = verdicts.total() - verdicts[PdbVerdict.UNANSWERED]
    assert verdicts[PdbVerdict.EQUAL] >= 0.75 * answered, verdicts
    assert verdicts[PdbVerdict.DIFFERENT] <= (1 - LEAST_SHARE) * answered, verdicts


def test_where_llvm_has_other_calls_in_a_pdb_the_sources_do_not_have_them() -> None:
    """LLVM 14 gives the line at which the caller goes on, not that of the call; others may not."""
    pairs = [pair for pair in answered_by_both(PDB) if len(pair[0]) == len(pair[1])]
    differ = [
        (ours[at - 1], ours[at], llvm[at])
        for ours, llvm in pairs
        for at in range(1, len(ours))
        if ours[at].line != llvm[at].line
    ]
    assert all(is_called_there(callee, ours) for callee, ours, _ in differ)
    assert not differ or any(not is_called_there(callee, llvm) for callee, _, llvm in differ)


@pytest.mark.parametrize("mill", [mill for mill in MILLS if mill not in (PDB, MINGW)], ids=str)
def test_every_frame_has_the_name_that_llvm_gives(mill: Mill) -> None:
    pairs = answered_by_both(mill)
    wrong = [
        (mine, other)
        for ours, llvm in pairs
        for mine, other in zip(names(ours), names(llvm), strict=True)
        if mine != other and base_name(mine) not in other and mine != WASM_MAIN
    ]
    assert wrong == []


@pytest.mark.parametrize("mill", [PDB, MINGW], ids=str)
def test_a_function_of_windows_has_a_name_of_the_sources(mill: Mill) -> None:
    """Names of PE files may lack an underscore; demangled ones must not show that."""
    functions = {
        base_name(frame.name) for frames in our_frames(mill, are_demangled=True) for frame in frames
    }
    assert {"depth", "run", "fill", "put", "sift", "grind", "wear", "clamp", "dry"} <= functions
    assert not {name for name in functions if name.startswith(("_Z", "Z", "?"))}


@EVERY_MILL
def test_the_facts_say_what_the_file_is(mill: Mill) -> None:
    facts = table_of(mill).facts
    assert facts.format == mill.format
    assert facts.has_debug_info
    assert facts.notes == ()
    assert facts.functions > 0
    assert facts.ranges > facts.functions


def test_thumb_functions_have_lines_at_their_second_byte() -> None:
    """The library begins a symbol at the odd address that marks Thumb, and ends the line there."""
    table, base = table_of(THUMB), THUMB.load_address
    starts = {
        start
        for start, is_public in zip(
            table.symbols.start.tolist(), table.symbols.is_public.tolist(), strict=True
        )
        if not is_public
    }
    assert starts
    for start in starts:
        first, second = table.find(start), table.find(start + 1)
        assert first is not None
        assert first == second
    assert not any(start % 2 for start in starts), base


@EVERY_MILL
def test_a_variant_has_each_name_demangled_and_as_it_stands(mill: Mill) -> None:
    asked = mill.asked._replace(module_id=mill.asked.module_id.with_linkage_names)
    table = convert(mill.path, asked, max_unpacked_bytes=MOST_BYTES)
    with_both, differing = 0, 0
    for address in mill.addresses:
        offset = address - mill.load_address
        found = table.find(offset)
        shown, mangled = (
            table_of(mill, are_demangled=True).find(offset),
            table_of(mill).find(offset),
        )
        if found is None or shown is None or mangled is None:
            assert found is shown is mangled is None
            continue
        divided = divide_answer(found)
        assert without_linkage_names(divided) == shown
        calls: list[Answer | InlineAnswer] = [divided, *divided.inlines]
        names = [each.linkage_name for each in calls]
        assert names == [mangled.function, *(inline.function for inline in mangled.inlines)]
        with_both += 1
        differing += any(each.linkage_name != each.function for each in calls)
    assert with_both >= LEAST_ADDRESSES
    assert bool(differing) == (mill != PDB)  # the library has the names of its types


def without_linkage_names(answer: Answer) -> Answer:
    inlines = tuple(replace(inline, linkage_name="") for inline in answer.inlines)
    return replace(answer, inlines=inlines, linkage_name="")


@pytest.mark.parametrize("mangling", range(2), ids=["legacy", "v0"])
def test_names_of_rust_are_demangled(mangling: int) -> None:
    demangled = {
        frame.name for frames in our_frames(RUST[mangling], are_demangled=True) for frame in frames
    }
    assert any(name.endswith("sacks::flour") for name in demangled)
    assert not {name for name in demangled if name.startswith(("_R", "_ZN")) or "17h" in name}


def test_a_part_of_a_fat_file_is_chosen_by_its_id() -> None:
    x86_64, arm64 = map(table_of, FAT)
    assert (x86_64.facts.architecture, arm64.facts.architecture) == ("x86_64", "arm64")
    assert our_frames(FAT[0]) == our_frames(DSYM)


def test_a_compressed_pdb_is_the_pdb_in_it() -> None:
    packed = PDB._replace(name="mill.pd_")
    assert our_frames(packed) == our_frames(PDB)
    assert table_of(packed).facts == table_of(PDB).facts


@EVERY_MILL
def test_a_file_of_another_module_is_refused(mill: Mill) -> None:
    digits = mill.asked.module_id.debug_id
    other = "0" if digits[3] != "0" else "1"
    module_id = ModuleId.parse(mill.name, digits[:3] + other + digits[4:])
    with pytest.raises(OtherModuleError):
        convert(mill.path, AskedModule(module_id), max_unpacked_bytes=MOST_BYTES)


@EVERY_MILL
def test_a_nil_id_matches_no_file(mill: Mill) -> None:
    asked = AskedModule(ModuleId.parse(mill.name, "0" * 33))
    with pytest.raises(OtherModuleError):
        convert(mill.path, asked, max_unpacked_bytes=MOST_BYTES)


def test_a_portable_pdb_is_not_supported(tmp_path: Path) -> None:
    path = tmp_path / "portable.pdb"
    path.write_bytes(portable_pdb())
    asked = AskedModule(ModuleId.parse("portable.pdb", "00112233445566778899AABBCCDDEEFF1"))
    with pytest.raises(UnsupportedFileError, match="Portable PDB"):
        convert(path, asked, max_unpacked_bytes=MOST_BYTES)


def portable_pdb() -> bytes:
    """Return the smallest metadata of ECMA-335 with a #Pdb stream: no documents, no methods."""
    version = b"PDB v1.0\0\0\0\0"
    stream = bytes.fromhex("00112233445566778899aabbccddeeff01000000") + bytes(12)
    head = b"BSJB" + struct.pack("<HHII", 1, 1, 0, len(version)) + version
    head += struct.pack("<HH", 0, 1)
    name = b"#Pdb\0\0\0\0"
    return head + struct.pack("<II", len(head) + 8 + len(name), len(stream)) + name + stream


def test_an_executable_without_symbols_answers_nothing() -> None:
    asked = PDB.asked._replace(module_id=ModuleId("mill.exe", PDB.asked.module_id.debug_id))
    with pytest.raises(MalformedSymbolFileError):
        convert(NATIVE / "mill.exe", asked, max_unpacked_bytes=MOST_BYTES)
