"""Native files from the places in which others keep them: real servers, tools and folders."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from symbolon_server.suppliers.contents.errors import (
    MissingSymbolFileError,
    UnavailableSymbolFileError,
)
from symbolon_server.suppliers.contents.supplier import Supplier
from symbolon_server.suppliers.layouts.layout import CandidatePath, FileUse
from symbolon_server.suppliers.parse import parse_suppliers
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.networks import free_port
from tests.fixtures.symbol_server import SymbolServer
from tests.suppliers.native_files import ElfFiles, build_elf, skip_without

PDB = AskedModule(ModuleId.parse("crash.pdb", "3249D99D0C4049318610F4E4FB0B69361"))
UNKNOWN = AskedModule(ModuleId.parse("app", "0" * 31 + "1"), "app", "ab" * 20)


def read(supplier: Supplier, candidate: CandidatePath) -> bytes:
    with supplier.fetch(candidate) as stream:
        return b"".join(stream)


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> ElfFiles:
    return build_elf(tmp_path_factory.mktemp("elf"))


@contextmanager
def debuginfod_of(folder: Path) -> Iterator[str]:
    """Yield the URL of elfutils' server, once it has indexed `folder`."""
    port = free_port()
    command = ["debuginfod", "-v", "-F", "--disable-source-scan", "--database=:memory:"]
    command += [f"--port={port}", "--rescan-time=0", str(folder)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stderr is not None
            assert any("groomed database" in line for line in server.stderr)
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.kill()


@pytest.fixture(scope="module")
def debuginfod(elf: ElfFiles) -> Iterator[str]:
    skip_without("debuginfod")
    with debuginfod_of(elf.code.parent) as url:
        yield url


def test_debuginfod_has_debug_file_and_executable(elf: ElfFiles, debuginfod: str) -> None:
    (supplier,) = parse_suppliers(f"{debuginfod}#layout=debuginfod")
    debug, code = supplier.candidates(elf.asked)
    assert (debug.use, code.use) == (FileUse.DEBUG, FileUse.CODE)
    assert read(supplier, debug) == elf.debug.read_bytes()
    assert read(supplier, code) == elf.code.read_bytes()


def test_what_debuginfod_does_not_have_is_missing(debuginfod: str) -> None:
    (supplier,) = parse_suppliers(f"{debuginfod}buildid#layout=debuginfod")
    for candidate in supplier.candidates(UNKNOWN):
        with pytest.raises(MissingSymbolFileError, match=r"^has no such file$"):
            read(supplier, candidate)


@pytest.mark.parametrize("code_id", ["a", "a" * 33, "a" * 254, "a" * 255])
def test_no_code_id_makes_debuginfod_answer_as_if_in_trouble(code_id: str, debuginfod: str) -> None:
    (supplier,) = parse_suppliers(f"{debuginfod}#layout=debuginfod")
    for candidate in supplier.candidates(UNKNOWN._replace(code_id=code_id)):
        with pytest.raises(MissingSymbolFileError, match=r"^has no such file$"):
            read(supplier, candidate)


@pytest.fixture
def debug_folder(elf: ElfFiles, tmp_path: Path) -> Path:
    """A folder like `/usr/lib/debug`, in which Debian keeps files and Fedora links."""
    folder = tmp_path / "debug"
    by_build_id = folder / ".build-id" / elf.build_id[:2]
    by_build_id.mkdir(parents=True)
    shutil.copy(elf.debug, by_build_id / f"{elf.build_id[2:]}.debug")
    programs = folder / "usr" / "bin"
    programs.mkdir(parents=True)
    shutil.copy(elf.code, programs)
    (by_build_id / elf.build_id[2:]).symlink_to("../../usr/bin/app")
    return folder


@pytest.mark.parametrize("options", ["layout=native", "layout=native,casing=any"])
def test_a_folder_of_build_ids_has_files_and_links_to_its_neighbours(
    elf: ElfFiles, debug_folder: Path, options: str
) -> None:
    (supplier,) = parse_suppliers(f"{debug_folder}/.build-id#{options}")
    debug, code, _ = supplier.candidates(elf.asked)
    assert read(supplier, debug) == elf.debug.read_bytes()
    assert read(supplier, code) == elf.code.read_bytes()


def test_a_link_out_of_the_neighbourhood_is_not_followed(elf: ElfFiles, debug_folder: Path) -> None:
    link = debug_folder / ".build-id" / elf.build_id[:2] / elf.build_id[2:]
    link.unlink()
    link.symlink_to(elf.code)
    (supplier,) = parse_suppliers(f"{debug_folder}/.build-id#layout=native")
    _, code, _ = supplier.candidates(elf.asked)
    with pytest.raises(UnavailableSymbolFileError, match="leads out of the directory"):
        read(supplier, code)


@pytest.mark.parametrize("is_directory", [True, False])
@pytest.mark.parametrize("zip_option", [["--zip"], []], ids=["MSZIP", "stored"])
def test_a_cabinet_of_a_symbol_server_arrives_as_it_is(
    symbol_server: SymbolServer, tmp_path: Path, zip_option: list[str], is_directory: bool
) -> None:
    skip_without("gcab")
    where = symbol_server.folder if is_directory else symbol_server.url
    (supplier,) = parse_suppliers(f"{where}#layout=symstore,compressed=first")
    packed, plain, _ = supplier.candidates(PDB)
    file = symbol_server.folder.joinpath(*packed.parts)
    file.parent.mkdir(parents=True)
    pdb = tmp_path / "crash.pdb"
    pdb.write_bytes(b"Microsoft C/C++ MSF 7.00\r\n\x1aDS\0\0\0" + bytes(4096))
    subprocess.run(["gcab", "--create", "--nopath", *zip_option, file, pdb], check=True)

    cabinet = read(supplier, packed)

    assert cabinet == file.read_bytes()
    assert cabinet.startswith(b"MSCF")
    with pytest.raises(MissingSymbolFileError):
        read(supplier, plain)
