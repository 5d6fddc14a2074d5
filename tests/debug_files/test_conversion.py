"""Files of every kind, converted: whose they are, and what they answer."""

import re
import resource
import shutil
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from symbolon_server.debug_files.conversion import convert
from symbolon_server.debug_files.elf_checks import ALTERNATE_FILE, SPLIT_DWARF
from symbolon_server.debug_files.pe_files import find_pdb
from symbolon_server.symbols.ground.answers import Answer
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.errors import (
    MalformedSymbolFileError,
    NoSymbolsError,
    OtherModuleError,
    UnsupportedFileError,
)
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.paging.writer import write_pages
from symbolon_server.symbols.reading.symbol_table import SymbolTable
from tests.bench.world.symbolic_peer import has_symbolic
from tests.debug_files.compiled_files import WASM_ID, Workshop, fat, objects_of, run
from tests.debug_files.elf_files import Elf
from tests.fixtures.packing.cabinets import Packing, write_cabinet
from tests.symbols.read_texts import INGEST, find_in_pages
from tests.symbols.symbol_texts import MODULE_ID

needs_symbolic = pytest.mark.skipif(not has_symbolic(), reason="the extra native is not installed")

LIMIT = 1 << 30
OTHER_ID = "0123456789ABCDEF0123456789ABCDEF0"


def asked_for(path: Path, code_id: str = "") -> AskedModule:
    """Return the module that a file with one object has."""
    (found,) = objects_of(path)
    return AskedModule(ModuleId.parse(path.name, found.debug_id), code_id=code_id)


def read(path: Path, asked: AskedModule | None = None) -> SymbolTable:
    return convert(path, asked or asked_for(path), max_unpacked_bytes=LIMIT)


def answer_in(table: SymbolTable, function: str) -> Answer:
    """Return an answer of the function, with inline frames if it has any, as in its pages.

    A PDB has the parameters of a function in its name.
    """
    find = find_in_pages(write_pages(table, "1-0", INGEST))
    found = []
    for start in table.ranges.start.tolist():
        answer = table.find(start)
        assert answer == find(start)
        if answer is not None and answer.function.partition("(")[0] == function:
            found.append(answer)
    return max(found, key=lambda answer: len(answer.inlines))


def check_debug_information(table: SymbolTable) -> None:
    """Check the frames at the call that was inlined into `weigh`."""
    answer = answer_in(table, "weigh")
    (inlined,) = answer.inlines
    assert {Path(inlined.file).name, Path(answer.file).name} == {"orchard.c"}
    assert inlined.function.partition("(")[0] == "twice"
    assert (inlined.line in {3, 4}, answer.line) == (True, 8)
    assert (answer.is_public, answer.function_size > 0) == (False, True)
    assert (table.facts.has_debug_info, table.facts.notes) == (True, ())


# Formats.


@needs_symbolic
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("version", [4, 5])
def test_an_elf_file_answers_with_inline_frames(
    compiler: str, version: int, workshop: Workshop
) -> None:
    path = workshop.compile("orchard", "-O1", f"-gdwarf-{version}", "-gz", compiler=compiler)
    table = read(path)
    check_debug_information(table)
    facts, (found,) = table.facts, objects_of(path)
    assert (facts.os, facts.architecture, facts.format) == ("Linux", "x86_64", "elf")
    assert (facts.module_name, facts.code_id) == ("orchard", found.code_id.upper())
    assert facts.functions >= 2
    assert facts.ranges == len(table.ranges.start)


@needs_symbolic
def test_a_separate_debug_file_answers_as_the_program_would(workshop: Workshop) -> None:
    program = workshop.compile("orchard", "-O1", "-g")
    debug = program.with_suffix(".debug")
    run("objcopy", "--only-keep-debug", program, debug)
    check_debug_information(read(debug, asked_for(program)))


@needs_symbolic
def test_a_symbol_table_answers_without_lines(workshop: Workshop) -> None:
    table = read(workshop.compile("orchard", "-O1"))
    answer = answer_in(table, "weigh")
    assert (answer.file, answer.line, answer.inlines) == ("", 0, ())
    assert (answer.is_public, answer.function_size) == (True, 0)
    assert (table.facts.has_debug_info, table.facts.functions) == (False, 0)


@needs_symbolic
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("options", [("-gdwarf-4",), ("-gdwarf-5",), ("-gdwarf-5", "-gz")])
def test_split_dwarf_is_noted_and_answers_as_a_symbol_table(
    compiler: str, options: tuple[str, ...], workshop: Workshop
) -> None:
    path = workshop.compile("orchard", "-O1", "-gsplit-dwarf", *options, compiler=compiler)
    table = read(path)
    assert table.facts.notes == (SPLIT_DWARF,)
    assert not table.facts.has_debug_info
    assert answer_in(table, "weigh").line == 0


@needs_symbolic
def test_an_alternate_file_of_dwz_is_noted(workshop: Workshop) -> None:
    if shutil.which("dwz") is None:
        pytest.skip("dwz is not installed")
    paths = [workshop.compile(name, "-O1", "-gdwarf-4") for name in ("orchard", "garden")]
    run("dwz", "-m", workshop.folder / "common", *paths)
    table = read(paths[0])
    assert table.facts.notes == (ALTERNATE_FILE,)
    assert answer_in(table, "weigh").inlines[0].function == "<name omitted>"
    assert table.facts.skipped_records == {"unnamed_inlines": 1}


@needs_symbolic
def test_a_pdb_answers_with_inline_frames(workshop: Workshop) -> None:
    _, pdb = workshop.windows_files()
    table = read(pdb)
    check_debug_information(table)
    facts = table.facts
    assert (facts.os, facts.architecture, facts.format) == ("windows", "x86_64", "pdb")
    assert facts.code_id == ""


@needs_symbolic
def test_a_program_for_windows_names_its_pdb(workshop: Workshop) -> None:
    program, pdb = workshop.windows_files()
    module_id = asked_for(pdb).module_id
    assert find_pdb(memoryview(program.read_bytes())) == module_id
    with pytest.raises(
        NoSymbolsError, match=re.escape(f"no symbols; its PDB is {module_id}")
    ) as refused:
        read(program)
    assert refused.value.debug_module == module_id


@needs_symbolic
@pytest.mark.parametrize("processor", ["x86_64", "arm64"])
def test_a_mach_o_file_answers(processor: str, workshop: Workshop) -> None:
    table = read(workshop.mach_o_file(processor))
    assert answer_in(table, "weigh").function_start > 0
    facts = table.facts
    assert (facts.os, facts.architecture, facts.format) == ("mac", processor, "macho")


@needs_symbolic
def test_a_wasm_file_answers(workshop: Workshop) -> None:
    table = read(workshop.wasm_file())
    assert table.facts.format == "wasm"
    assert table.facts.code_id == WASM_ID.hex().upper()
    assert answer_in(table, "weigh").inlines[0].function == "twice"


@pytest.fixture
def address_space() -> Iterator[tuple[int, int]]:
    """Limit the address space of this process, to far more than it has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limited = (1 << 40, hard)
    resource.setrlimit(resource.RLIMIT_AS, limited)
    yield limited
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@needs_symbolic
def test_refused_files_leave_the_limit_of_address_space_as_it_was(
    workshop: Workshop, address_space: tuple[int, int]
) -> None:
    path = workshop.compile("orchard", "-g")
    for _ in range(2):
        with pytest.raises(OtherModuleError):
            read(path, AskedModule(ModuleId("orchard", OTHER_ID)))
        assert resource.getrlimit(resource.RLIMIT_AS) == address_space
    read(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    assert (soft - 2 * path.stat().st_size, hard) == address_space


@needs_symbolic
@pytest.mark.parametrize("problem", ["other", "cut"])
def test_a_refused_file_is_not_mapped_while_its_error_is_kept(
    workshop: Workshop, problem: str
) -> None:
    path = workshop.compile("orchard", "-g")
    asked = asked_for(path)
    if problem == "cut":
        path.write_bytes(path.read_bytes()[:9000])
    else:
        asked = AskedModule(ModuleId("orchard", OTHER_ID))
    with pytest.raises(MalformedSymbolFileError) as kept:
        read(path, asked)
    assert kept.value.__traceback__ is not None
    assert str(path) not in Path("/proc/self/maps").read_text()


# Whose file it is.


@needs_symbolic
def test_each_object_of_a_fat_file_is_found_by_its_id(workshop: Workshop) -> None:
    paths = [workshop.mach_o_file(processor) for processor in ("x86_64", "arm64")]
    together = workshop.folder / "fat.dylib"
    contents = [path.read_bytes() for path in paths]
    for objects in (contents, contents[::-1]):
        together.write_bytes(fat(*objects))
        for path in paths:
            table = read(together, asked_for(path))
            assert f"{table.facts.architecture}.dylib" == path.name
            assert table.find(table.ranges.start[0]) == read(path).find(table.ranges.start[0])
    with pytest.raises(OtherModuleError, match=r"of another module: [^,]+, [^,]+$"):
        read(together, AskedModule(ModuleId("a", OTHER_ID)))


@needs_symbolic
def test_a_file_with_another_id_is_refused(workshop: Workshop) -> None:
    path = workshop.compile("orchard", "-g")
    with pytest.raises(OtherModuleError, match="of another module"):
        read(path, AskedModule(ModuleId("orchard", OTHER_ID)))


@needs_symbolic
def test_a_build_id_is_compared_as_a_whole(workshop: Workshop) -> None:
    path = workshop.compile("orchard", "-g")
    (found,) = objects_of(path)
    whole = found.code_id
    assert read(path, asked_for(path, whole)).facts.code_id == whole.upper()
    assert read(path, asked_for(path, whole.upper())).facts.code_id == whole.upper()
    # Of the debug id, which has only the first 16 bytes, both are the same.
    other = whole[:-1] + ("0" if whole[-1] != "0" else "1")
    with pytest.raises(OtherModuleError, match=f"of another module: {whole}"):
        read(path, asked_for(path, other))


@needs_symbolic
@pytest.mark.parametrize("code_id", ["", "5AB380779000", "00" * 16, "ab" * 20])
def test_the_debug_id_of_a_mach_o_file_is_all_of_its_uuid(workshop: Workshop, code_id: str) -> None:
    path = workshop.mach_o_file("arm64")
    found = asked_for(path).module_id.debug_id[:32]
    assert read(path, asked_for(path, code_id)).facts.code_id == found


@needs_symbolic
def test_a_build_id_alone_does_not_put_a_file_under_another_debug_id(workshop: Workshop) -> None:
    path = workshop.compile("orchard", "-g")
    (found,) = objects_of(path)
    with pytest.raises(OtherModuleError):
        read(path, AskedModule(ModuleId("orchard", OTHER_ID), code_id=found.code_id))


@needs_symbolic
def test_a_file_without_an_id_is_refused_even_if_the_nil_id_is_asked_for(
    workshop: Workshop,
) -> None:
    program = workshop.compile("orchard", "-g", "-Wl,--build-id=none")
    debug = program.with_suffix(".debug")
    run("objcopy", "--only-keep-debug", program, debug)
    with pytest.raises(OtherModuleError, match="no id"):
        read(debug, AskedModule(ModuleId("orchard", "0" * 33)))


@needs_symbolic
def test_the_age_of_a_pdb_counts_if_it_is_known(workshop: Workshop) -> None:
    _, pdb = workshop.windows_files()
    guid = asked_for(pdb).module_id.debug_id[:32]
    assert asked_for(pdb).module_id.debug_id == guid + "1"
    with pytest.raises(OtherModuleError):
        read(pdb, AskedModule(ModuleId("orchard.pdb", guid + "2")))
    with pytest.raises(OtherModuleError):
        read(pdb, AskedModule(ModuleId("orchard.pdb", guid + "0")))
    without = AskedModule(ModuleId("orchard.pdb", guid + "0"), lacks_age=True)
    check_debug_information(read(pdb, without))


# Cabinets and text.


@needs_symbolic
@pytest.mark.parametrize("method", [Packing.MSZIP, Packing.LZX])
def test_a_file_in_a_cabinet_is_unpacked_beside_it_and_removed(
    method: Packing, workshop: Workshop
) -> None:
    path = workshop.compile("orchard", "-O1", "-g")
    asked = asked_for(path)
    packed = workshop.folder / "orchar_"
    packed.write_bytes(write_cabinet({"orchard": path.read_bytes()}, method))
    before = sorted(workshop.folder.iterdir())
    check_debug_information(read(packed, asked))
    with pytest.raises(OtherModuleError):
        read(packed, AskedModule(ModuleId("orchard", OTHER_ID)))
    assert sorted(workshop.folder.iterdir()) == before


def test_text_is_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "a.sym"
    path.write_bytes(b"MODULE Linux x86_64 %b foo.so\nPUBLIC 10 0 f\n" % OTHER_ID.encode())
    table = read(path, AskedModule(MODULE_ID))
    assert (table.facts.format, answer_in(table, "f").function_start) == ("breakpad", 0x10)


# What cannot be read.


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "of no known format"),
        (b"<html>404", "of no known format"),
        (b"SYSB\2\0\0\0", "of no known format"),
        (b"BSJB\1\0\1\0" + b"\0" * 100, "Portable PDB"),
    ],
)
def test_other_files_are_not_supported(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pdb"
    path.write_bytes(content)
    with pytest.raises(UnsupportedFileError, match=message):
        read(path, AskedModule(MODULE_ID))


def test_a_cabinet_in_a_cabinet_is_not_supported(tmp_path: Path) -> None:
    path = tmp_path / "a.pd_"
    path.write_bytes(write_cabinet({"a.pdb": write_cabinet({"a.pdb": b"a"})}))
    with pytest.raises(UnsupportedFileError, match="it is a cabinet"):
        read(path, AskedModule(MODULE_ID))


@pytest.mark.parametrize(
    ("content", "package", "kind"),
    [
        (Elf().write(), "symbolic", "ELF"),
        (b"Microsoft C/C++ MSF 7.00\r\n\x1aDS\0\0\0", "symbolic", "PDB"),
        (b"MSCF" + b"\0" * 100, "archi", "a cabinet"),
    ],
)
def test_without_the_extra_the_error_names_it(
    content: bytes, package: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        UnsupportedFileError, match=f"^cannot read {kind}: install the extra 'native'$"
    ):
        read(path, AskedModule(MODULE_ID))


@needs_symbolic
def test_a_section_that_lies_about_its_size_is_refused_before_it_ends_the_process(
    workshop: Workshop,
) -> None:
    path = workshop.compile("orchard", "-O1", "-g", "-gz")
    asked = asked_for(path)
    data = bytearray(path.read_bytes())
    (table_at,) = struct.unpack_from("<Q", data, 40)
    (count,) = struct.unpack_from("<H", data, 60)
    changed = 0
    for number in range(count):
        row = table_at + 64 * number
        (flags,) = struct.unpack_from("<Q", data, row + 8)
        (offset,) = struct.unpack_from("<Q", data, row + 24)
        if flags & 0x800:
            struct.pack_into("<Q", data, offset + 8, 2**62)
            changed += 1
    assert changed
    path.write_bytes(data)
    with pytest.raises(MalformedSymbolFileError, match="unpacks to over 1073741824 bytes"):
        read(path, asked)


@needs_symbolic
@pytest.mark.parametrize("kind", ["elf", "pdb", "macho", "wasm", "pe"])
def test_a_truncated_file_is_refused_or_answers(kind: str, workshop: Workshop) -> None:
    path = {
        "elf": lambda: workshop.compile("orchard", "-O1", "-g"),
        "pdb": lambda: workshop.windows_files()[1],
        "pe": lambda: workshop.windows_files()[0],
        "macho": lambda: workshop.mach_o_file("arm64"),
        "wasm": workshop.wasm_file,
    }[kind]()
    asked, data = asked_for(path), path.read_bytes()
    refused = []
    for eighth in range(1, 8):
        path.write_bytes(data[: len(data) * eighth // 8])
        try:
            read(path, asked)
        except MalformedSymbolFileError as error:
            refused.append(str(error))
    assert len(refused) > 3
    assert not any("\n" in text for text in refused)
