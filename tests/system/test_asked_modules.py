"""Modules as callers name them, from a request through the queue to the supplier and back."""

import shutil
from collections.abc import Sequence
from itertools import count, islice
from pathlib import Path

import pytest

from symbolon import Client, Frame, Module, ModuleOutcome, SymbolicatedFrame
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.app.conftest import Program
from tests.debug_files.compiling import NATIVE
from tests.debug_files.mills import PDB
from tests.ingest.symbol_files import numbered_module, symbol_file
from tests.system.conftest import Site

PLUGIN = "plugin.dll"
PLUGIN_ID = "D1F7A0000000000000000000000000070"
PLUGIN_FILE = f"""MODULE windows x86_64 {PLUGIN_ID} {PLUGIN}
INFO CODE_ID 62A1B2C3D000 {PLUGIN}
FUNC 1000 20 0 Open
"""

PE_CODE_ID = "19B66EB34000"
"""Timestamp and size of `mill.exe`."""

OFFSETS = range(0x1000, 0x1400, 0x10)

GUIDS = (f"{number:032X}" for number in count(0xA000))
"""32 digits that no other test has asked for."""


@pytest.fixture(scope="module")
def by_code_id(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files by code file and code id."""
    return tmp_path_factory.mktemp("by_code_id")


@pytest.fixture(scope="module")
def native_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of native files."""
    return tmp_path_factory.mktemp("native_files")


@pytest.fixture(scope="module")
def worker(shared_site: Site, by_code_id: Path, native_files: Path) -> Program:
    folders = [f"{by_code_id}#layout=slashsymbols", f"{native_files}#layout=symstore"]
    return shared_site.work(suppliers=", ".join([shared_site.supplier.url, *folders]))


@pytest.fixture(scope="module")
def client(shared_site: Site, worker: Program) -> Client:
    return shared_site.new_client()


def first_frames(client: Client, modules: Sequence[Module], offset: int) -> list[SymbolicatedFrame]:
    """Return the answer to one frame in each of the modules."""
    answer = client.symbolicate(modules, [[Frame(index, offset) for index in range(len(modules))]])
    return list(answer.stacks[0])


def put(site: Site, path: str, text: bytes) -> None:
    file = Path(site.supplier.folder, path)
    file.parent.mkdir(parents=True)
    file.write_bytes(text)


@pytest.mark.parametrize("code_file", [PLUGIN, f"C:\\Games\\{PLUGIN}"])
def test_a_module_without_debug_file_is_asked_for_by_the_name_of_its_code_file(
    shared_site: Site, client: Client, code_file: str
) -> None:
    plugin_id = ModuleId.parse(PLUGIN, PLUGIN_ID)
    shared_site.supplier.put(plugin_id, PLUGIN_FILE.encode())
    module = Module("", PLUGIN_ID, code_file)
    (frame,) = first_frames(client, [module], 0x1000)
    assert (frame.module, frame.function) == (PLUGIN, "Open")
    assert client.get_module(PLUGIN, PLUGIN_ID).outcome is ModuleOutcome.FOUND
    assert client.prefetch_modules([module])[0].outcome is ModuleOutcome.FOUND
    assert client.invalidate_modules([module]) == (ModuleOutcome.FOUND,)
    assert client.get_module(PLUGIN, PLUGIN_ID).outcome is ModuleOutcome.NOT_REFERENCED


@pytest.mark.parametrize("code_id", ["", "62A1B2C3", "not hex"])
def test_a_module_without_an_id_is_missing_for_good(
    shared_site: Site, client: Client, code_id: str
) -> None:
    before = len(shared_site.supplier.gets)
    module = Module("", "", "other.dll", code_id)
    answer = client.symbolicate([module], [[Frame(0, 1)]])
    assert answer.stacks[0][0].module == "other.dll"
    assert answer.modules[0].outcome is ModuleOutcome.MISSING
    assert answer.modules[0].retry_after_seconds is None
    assert len(shared_site.supplier.gets) == before


def test_a_module_with_a_code_id_alone_is_not_requested_by_a_debug_id(
    shared_site: Site, client: Client
) -> None:
    before = len(shared_site.supplier.gets)
    answer = client.symbolicate([Module("", "", "other.dll", "62A1B2C3D000")], [[Frame(0, 1)]])
    assert answer.modules[0].outcome is ModuleOutcome.MISSING
    assert "needs the debug id" in answer.modules[0].detail
    info = client.get_module("", "", code_file="other.dll", code_id="62A1B2C3D000")
    assert info.detail == answer.modules[0].detail
    found = client.explain_frame("", "", 1, code_file="other.dll", code_id="62A1B2C3D000")
    assert found.module.detail == info.detail
    assert len(shared_site.supplier.gets) == before


@pytest.mark.parametrize("digits", [32, 33])
@pytest.mark.parametrize("in_the_record", [32, 33])
def test_a_debug_id_of_32_digits_finds_what_is_filed_with_or_without_the_age(
    shared_site: Site, client: Client, digits: int, in_the_record: int
) -> None:
    guid = next(GUIDS)
    filed, recorded = f"{guid}0"[:digits], f"{guid}0"[:in_the_record]
    text = f"MODULE Linux x86_64 {recorded} b.so\nFUNC 1000 10 0 f\n"
    put(shared_site, f"b.so/{filed}/b.so.sym", text.encode())
    (frame,) = first_frames(client, [Module("b.so", guid.lower())], 0x1000)
    assert frame.function == "f"
    asked = [get.path.split("/")[2] for get in shared_site.supplier.gets if guid in get.path]
    assert asked == [f"{guid}0", guid][: 34 - digits]


def test_however_a_debug_id_is_written_it_is_one_module(shared_site: Site, client: Client) -> None:
    guid = next(GUIDS)
    module_id = ModuleId.parse("c.so", f"{guid}0")
    path = shared_site.supplier.put(module_id, symbol_file(module_id, 2))
    dashed = f"{guid[:8]}-{guid[8:12]}-{guid[12:16]}-{guid[16:20]}-{guid[20:]}"
    spellings = [f"{guid}0", guid, dashed, f"{{{dashed.lower()}}}", f"{dashed}-0", f"{guid}00"]
    frames = first_frames(client, [Module("c.so", debug_id) for debug_id in spellings], 0)
    assert [frame.function for frame in frames] == ["function_0"] * len(spellings)
    assert shared_site.supplier.counts()[path] == 1
    assert len(shared_site.store.keys(f"symbol:c.so/{guid}*")) == 1


def test_who_tells_an_age_is_asked_for_no_more_than_that(shared_site: Site, client: Client) -> None:
    (module_id,) = islice(map(numbered_module, count(0xB000)), 1)
    answer = client.symbolicate([Module(*module_id)], [[Frame(0, 0)]])
    assert answer.modules[0].outcome is ModuleOutcome.MISSING
    asked = [get.path for get in shared_site.supplier.gets if module_id.debug_id[:32] in get.path]
    assert asked == [shared_site.supplier.path_of(module_id)]


@pytest.mark.parametrize("is_prefetched", [False, True])
def test_a_failure_without_a_code_id_does_not_hold_for_those_who_know_it(
    shared_site: Site, client: Client, by_code_id: Path, is_prefetched: bool
) -> None:
    guid, code_id = next(GUIDS), f"62a1b2c3{is_prefetched:d}000"
    path = by_code_id / "d.so" / code_id / "symbols"
    path.parent.mkdir(parents=True)
    path.write_text(f"MODULE Linux x86_64 {guid}0 d.so\nFUNC 1000 10 0 f\n")
    unknown, known = Module("d.so", guid), Module("d.so", guid, "d.so", code_id)
    answer = client.symbolicate([unknown], [[Frame(0, 0x1000)]])
    assert answer.modules[0].outcome is ModuleOutcome.MISSING
    if is_prefetched:
        assert client.prefetch_modules([unknown])[0].outcome is ModuleOutcome.MISSING
        assert client.prefetch_modules([known])[0].outcome is ModuleOutcome.PENDING
    (frame,) = first_frames(client, [known], 0x1000)
    assert frame.function == "f"
    (frame,) = first_frames(client, [unknown], 0x1000)
    assert frame.function == "f"


def test_a_failure_with_a_code_id_holds_for_all(shared_site: Site, client: Client) -> None:
    guid = next(GUIDS)
    for code_id in ("62a1b2c3f000", "", "62a1b2c3e000", ""):
        answer = client.symbolicate([Module("e.so", guid, "", code_id)], [[Frame(0, 0x1000)]])
        assert answer.modules[0].outcome is ModuleOutcome.MISSING
    asked = [get.path for get in shared_site.supplier.gets if f"{guid}0" in get.path]
    assert len(asked) == 1


@pytest.mark.promise("What a code id leads to is remembered")
def test_what_a_pe_files_code_id_led_to_is_known_to_other_servers_without_its_supplier(
    shared_site: Site, client: Client, native_files: Path
) -> None:
    """Two files were fetched for it. Its pages are stored by the code id, until an invalidation."""
    for name, id_ in (("mill.exe", PE_CODE_ID), ("mill.pdb", PDB.asked.module_id.debug_id)):
        (native_files / name / id_).mkdir(parents=True)
        shutil.copy(NATIVE / name, native_files / name / id_ / name)
    module = Module("", "", "mill.exe", PE_CODE_ID)
    stack = [Frame(0, offset) for offset in OFFSETS]
    first = client.symbolicate([module], [stack])
    assert first.modules[0].outcome is ModuleOutcome.FOUND
    assert any(frame.line for frame in first.stacks[0])

    for name in ("mill.exe", "mill.pdb"):
        shutil.rmtree(native_files / name)
    other = shared_site.new_client()
    assert other.symbolicate([module], [stack]).stacks == first.stacks
    assert other.invalidate_modules([module]) == (ModuleOutcome.FOUND,)
    again = other.symbolicate([module], [stack])
    assert again.modules[0].outcome is ModuleOutcome.MISSING


@pytest.mark.promise("A request that lacks an id which a supplier needs is told so")
def test_the_ids_that_suppliers_need_are_told_in_each_answer(client: Client) -> None:
    guid = next(GUIDS)
    answer = client.symbolicate([Module("libf.so", guid)], [[Frame(0, 1)]])
    assert answer.modules[0].outcome is ModuleOutcome.MISSING
    details = [
        answer.modules[0].detail,
        client.get_module("libf.so", guid).detail,
        client.explain_frame("libf.so", guid, 1).module.detail,
    ]
    for needed in ("the build id (code id)", "code file and code id"):
        told = f"needs {needed}, which the request does not have"
        assert all(told in detail for detail in details)
