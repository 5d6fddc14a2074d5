"""Native files in an ingest: from where suppliers keep them into the store."""

import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from symbolon_server.ingest.working.file_reading import ModuleFileReader
from symbolon_server.ingest.working.ingest import Ingest
from symbolon_server.ingest.working.results import IngestOutcome, IngestResult, WorkCounts
from symbolon_server.suppliers.chain import SupplierChain
from symbolon_server.suppliers.parse import parse_suppliers
from symbolon_server.symbols.ground.asked_modules import (
    AskedModule,
    derive_debug_id,
    normalise_pe_code_id,
)
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import ONLY_SYMBOL_TABLE, ModuleFacts
from symbolon_server.symbols.paging.directory import decode_directory
from tests.debug_files.compiled_files import Workshop, objects_of
from tests.debug_files.compiling import NATIVE
from tests.debug_files.mills import DSYM, FAT, PDB, THUMB, Mill
from tests.fixtures.memory_store import MemoryPageStore
from tests.fixtures.symbol_server import SymbolServer, symbol_server
from tests.suppliers.native_files import ElfFiles, build_elf

__all__ = ["symbol_server"]

PE_CODE_ID = "19B66EB34000"
"""Timestamp and size of `mill.exe`."""


class Site:
    """A store, and ingests that fill it."""

    def __init__(self) -> None:
        self.store = MemoryPageStore(64 << 20)
        self.counts = WorkCounts()

    def ingest(
        self, suppliers: str, asked: AskedModule, reader: ModuleFileReader | None = None
    ) -> IngestResult:
        chain = SupplierChain(parse_suppliers(suppliers), self.counts.add_attempt)
        return Ingest(chain, self.store, reader=reader).run(asked, ())

    def facts(self, module_id: ModuleId) -> ModuleFacts:
        (data,) = self.store.get_directories([module_id])
        assert data is not None
        return decode_directory(module_id, data).facts

    @property
    def paths(self) -> list[tuple[str, str]]:
        return [(attempt.path, attempt.outcome) for attempt in self.counts.attempts()]


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> ElfFiles:
    return build_elf(tmp_path_factory.mktemp("elf"))


def keep(file: Path, folder: Path, *parts: str) -> None:
    path = folder.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, path)


INGESTED = IngestResult(IngestOutcome.INGESTED)


@pytest.mark.parametrize(
    ("mill", "layout", "parts"),
    [
        (THUMB, "native", ("90", "f092ce5079f8ce236bacfdde342c52f8947120.debug")),
        (THUMB, "debuginfod", ("buildid", "90f092ce5079f8ce236bacfdde342c52f8947120", "debuginfo")),
        (PDB, "symstore", ("mill.pdb", PDB.asked.module_id.debug_id, "mill.pdb")),
        (
            PDB._replace(name="mill.pd_"),
            "symstore",
            ("mill.pdb", PDB.asked.module_id.debug_id, "mill.pd_"),
        ),
        (DSYM, "native", ("4C4C", "447B", "5555", "3144", "A17A", "E11B7D512ED8")),
        (FAT[1], "native", ("4C4C", "442A", "5555", "3144", "A15A", "C454FACE7823")),
    ],
    ids=str,
)
def test_a_native_file_is_ingested_from_where_its_layout_files_it(
    site: Site, symbol_server: SymbolServer, mill: Mill, layout: str, parts: tuple[str, ...]
) -> None:
    keep(mill.path, symbol_server.folder, *parts)
    assert site.ingest(f"{symbol_server.url}#layout={layout}", mill.asked) == INGESTED
    facts = site.facts(mill.asked.module_id)
    assert (facts.format, facts.has_debug_info, facts.notes) == (mill.format, True, ())
    assert facts.functions > 5


@pytest.mark.parametrize("code_id", [PE_CODE_ID, "19b66eb300004000"], ids=["plain", "padded"])
def test_a_module_named_by_its_pe_files_code_id_has_the_symbols_of_its_pdb(
    site: Site, code_id: str, tmp_path: Path
) -> None:
    keep(NATIVE / "mill.exe", tmp_path, "mill.exe", PE_CODE_ID, "mill.exe")
    keep(NATIVE / "mill.pdb", tmp_path, "mill.pdb", PDB.asked.module_id.debug_id, "mill.pdb")
    module_id = ModuleId("mill.exe", derive_debug_id("mill.exe", code_id))
    asked = AskedModule(module_id, "mill.exe", code_id)

    assert site.ingest(f"{tmp_path}#layout=symstore", asked) == INGESTED
    assert site.facts(module_id).format == "pdb"
    requested = [(path.rsplit("/", 1)[-1], outcome) for path, outcome in site.paths]
    assert requested[-1] == ("mill.pdb", "found")
    assert requested.count(("mill.exe", "missing")) == 1


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a library for Windows, which names what it exports, and its PDB."""
    workshop = Workshop(tmp_path_factory.mktemp("library"))
    return workshop.windows_files("/dll", "/export:weigh")


@pytest.mark.parametrize("has_pdb", [True, False])
def test_the_pdb_of_a_library_is_better_than_the_names_of_its_exports(
    site: Site, library: tuple[Path, Path], has_pdb: bool, tmp_path: Path
) -> None:
    program, pdb = library
    (found,) = objects_of(program)
    code_id = normalise_pe_code_id(found.code_id)
    keep(program, tmp_path, program.name, code_id, program.name)
    if has_pdb:
        debug_id = ModuleId.parse(pdb.name, found.debug_id).debug_id
        keep(pdb, tmp_path, pdb.name, debug_id, pdb.name)
    module_id = ModuleId(program.name, derive_debug_id(program.name, code_id))

    asked = AskedModule(module_id, program.name, code_id)
    assert site.ingest(f"{tmp_path}#layout=symstore", asked) == INGESTED
    facts = site.facts(module_id)
    assert (facts.format, facts.has_debug_info) == ("pdb" if has_pdb else "pe", has_pdb)


def test_the_pdb_counts_though_another_supplier_has_a_malformed_file(
    site: Site, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    keep(NATIVE / "mill.exe", second, "mill.exe", PE_CODE_ID, "mill.exe")
    keep(NATIVE / "mill.pdb", second, "mill.pdb", PDB.asked.module_id.debug_id, "mill.pdb")
    keep(NATIVE / "mill-dwarf.exe", first, "mill.exe", PE_CODE_ID, "mill.exe")
    module_id = ModuleId("mill.exe", derive_debug_id("mill.exe", PE_CODE_ID))

    both = f"{first}#layout=symstore,{second}#layout=symstore"
    assert site.ingest(both, AskedModule(module_id, "mill.exe", PE_CODE_ID)) == INGESTED
    assert site.facts(module_id).format == "pdb"
    assert "malformed" in [outcome for _, outcome in site.paths]


def test_a_pe_file_whose_pdb_nobody_has_is_missing_and_says_which(
    site: Site, tmp_path: Path
) -> None:
    keep(NATIVE / "mill.exe", tmp_path, "mill.exe", PE_CODE_ID, "mill.exe")
    module_id = ModuleId("mill.exe", derive_debug_id("mill.exe", PE_CODE_ID))

    result = site.ingest(
        f"{tmp_path}#layout=symstore", AskedModule(module_id, "mill.exe", PE_CODE_ID)
    )

    assert result.outcome is IngestOutcome.MISSING
    assert f"has no symbols; its PDB is {PDB.asked.module_id}" in result.detail


def test_a_debug_file_of_another_supplier_is_better_than_a_stripped_executable(
    site: Site, elf: ElfFiles, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    build_id = elf.build_id
    keep(elf.code, first, build_id[:2], build_id[2:])
    keep(elf.debug, second, build_id[:2], f"{build_id[2:]}.debug")

    both = f"{first}#layout=native,{second}#layout=native"
    assert site.ingest(both, elf.asked) == INGESTED
    assert site.facts(elf.asked.module_id).has_debug_info


def test_a_symbol_table_alone_answers_and_is_told(
    site: Site, symbol_server: SymbolServer, elf: ElfFiles, tmp_path: Path
) -> None:
    names_alone = tmp_path / "names"
    subprocess.run(["objcopy", "--strip-debug", elf.debug, names_alone], check=True)
    keep(names_alone, symbol_server.folder, "buildid", elf.build_id, "executable")

    assert site.ingest(f"{symbol_server.url}#layout=debuginfod", elf.asked) == INGESTED
    facts = site.facts(elf.asked.module_id)
    assert (facts.format, facts.has_debug_info) == ("elf", False)
    assert facts.detail == ONLY_SYMBOL_TABLE


def test_a_file_with_another_build_id_is_refused_and_the_next_supplier_asked(
    site: Site, tmp_path: Path
) -> None:
    wrong, right = tmp_path / "wrong", tmp_path / "right"
    parts = ("90", "f092ce5079f8ce236bacfdde342c52f8947120.debug")
    keep(NATIVE / "mill-arm64", wrong, *parts)
    keep(THUMB.path, right, *parts)

    both = f"{wrong}#layout=native,{right}#layout=native"
    assert site.ingest(both, THUMB.asked) == INGESTED
    outcomes = [outcome for _, outcome in site.paths if outcome != "missing"]
    assert outcomes == ["malformed", "found"]


def test_a_host_that_cannot_store_a_native_file_says_so(site: Site, tmp_path: Path) -> None:
    keep(THUMB.path, tmp_path, "90", "f092ce5079f8ce236bacfdde342c52f8947120.debug")
    (tmp_path / "file").touch()
    reader = ModuleFileReader(tmp_path / "file" / "folder")

    result = site.ingest(f"{tmp_path}#layout=native", THUMB.asked, reader)

    assert result.outcome is IngestOutcome.UNAVAILABLE
    assert "this host cannot store its file: not a directory" in result.detail


def test_a_host_without_room_for_what_a_cabinet_holds_says_so(site: Site, tmp_path: Path) -> None:
    parts = ("mill.pdb", PDB.asked.module_id.debug_id, "mill.pd_")
    keep(NATIVE / "mill.pd_", tmp_path, *parts)
    most_bytes = tmp_path.joinpath(*parts).stat().st_size + 1
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        result = site.ingest(f"{tmp_path}#layout=symstore", PDB.asked)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert result.outcome is IngestOutcome.UNAVAILABLE
    assert "this host cannot store its file: file too large" in result.detail


@contextmanager
def full_disk(free_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond `free_bytes`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("file", "free_bytes"),
    [
        ("mill.pdb", 80_000),
        ("mill.pd_", 0),
        ("mill.pd_", 9_000),
        ("mill.pd_", 10_000),
        ("mill.pd_", 89_000),
    ],
)
def test_a_full_disk_is_trouble_of_the_host_and_not_of_the_file(
    file: str, free_bytes: int, site: Site, tmp_path: Path
) -> None:
    keep(NATIVE / file, tmp_path / "a", "mill.pdb", PDB.asked.module_id.debug_id, file)

    with full_disk(free_bytes):
        result = site.ingest(f"{tmp_path}/a#layout=symstore", PDB.asked, ModuleFileReader(tmp_path))

    assert result.outcome is IngestOutcome.UNAVAILABLE
    assert "this host cannot store its file: file too large" in result.detail
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_nothing_is_left_in_the_folder_of_native_files(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "native files"
    keep(NATIVE / "mill.pd_", tmp_path, "mill.pdb", PDB.asked.module_id.debug_id, "mill.pd_")

    reader = ModuleFileReader(folder)
    assert site.ingest(f"{tmp_path}#layout=symstore", PDB.asked, reader) == INGESTED
    assert list(folder.iterdir()) == []
