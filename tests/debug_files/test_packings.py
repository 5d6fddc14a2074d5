"""A cabinet is unpacked, within limits, and what is in it is read."""

import shutil
from pathlib import Path

import pytest

from symbolon_server.debug_files.conversion import convert
from symbolon_server.symbols.ground.errors import MalformedSymbolFileError
from tests.debug_files.compiling import run
from tests.debug_files.mills import PDB, THUMB, Mill
from tests.fixtures.cabinets import Packing, write_cabinet

MOST_BYTES = 1 << 20
EVERY_PACKING = pytest.mark.parametrize("packing", Packing)


def write(folder: Path, content: bytes) -> Path:
    path = folder / "member.pd_"
    path.write_bytes(content)
    return path


@EVERY_PACKING
@pytest.mark.parametrize("mill", [PDB, THUMB], ids=str)
def test_a_cabinet_gives_the_answers_of_what_is_in_it(
    packing: Packing, mill: Mill, tmp_path: Path
) -> None:
    path = write(tmp_path, write_cabinet({"member": mill.path.read_bytes()}, packing))
    packed = convert(path, mill.asked, max_unpacked_bytes=MOST_BYTES)
    plain = convert(mill.path, mill.asked, max_unpacked_bytes=MOST_BYTES)
    assert packed.facts._replace(module_name="") == plain.facts._replace(module_name="")
    assert packed.texts == plain.texts
    for column in ("start", "symbol", "chain", "file", "line"):
        assert (getattr(packed.ranges, column) == getattr(plain.ranges, column)).all()
    assert list(tmp_path.iterdir()) == [path]


@EVERY_PACKING
@pytest.mark.parametrize("name", ["../../escaped.pdb", "/escaped.pdb", "C:\\escaped.pdb"])
def test_the_name_in_a_cabinet_is_ignored(packing: Packing, name: str, tmp_path: Path) -> None:
    folder = tmp_path / "one/two"
    folder.mkdir(parents=True)
    path = write(folder, write_cabinet({name: PDB.path.read_bytes()}, packing))
    convert(path, PDB.asked, max_unpacked_bytes=MOST_BYTES)
    assert [found for found in tmp_path.rglob("*") if found.is_file()] == [path]


@EVERY_PACKING
def test_a_cabinet_that_unpacks_to_too_much_is_refused(packing: Packing, tmp_path: Path) -> None:
    path = write(tmp_path, write_cabinet({"bomb.pdb": bytes(MOST_BYTES + 1)}, packing))
    with pytest.raises(MalformedSymbolFileError):
        convert(path, PDB.asked, max_unpacked_bytes=MOST_BYTES)
    assert list(tmp_path.iterdir()) == [path]


@EVERY_PACKING
@pytest.mark.parametrize("members", [0, 2])
def test_a_cabinet_has_exactly_one_member(packing: Packing, members: int, tmp_path: Path) -> None:
    content = {f"{number}.pdb": PDB.path.read_bytes() for number in range(members)}
    path = write(tmp_path, write_cabinet(content, packing))
    with pytest.raises(MalformedSymbolFileError):
        convert(path, PDB.asked, max_unpacked_bytes=MOST_BYTES)


@EVERY_PACKING
def test_a_cut_cabinet_is_malformed(packing: Packing, tmp_path: Path) -> None:
    content = write_cabinet({"mill.pdb": PDB.path.read_bytes()}, packing)
    for end in (8, 36, 44, 60, len(content) // 2, len(content) - 1):
        path = write(tmp_path, content[:end])
        with pytest.raises(MalformedSymbolFileError):
            convert(path, PDB.asked, max_unpacked_bytes=MOST_BYTES)
        assert list(tmp_path.iterdir()) == [path]


@EVERY_PACKING
def test_a_cabinet_in_a_cabinet_is_not_unpacked(packing: Packing, tmp_path: Path) -> None:
    inner = write_cabinet({"mill.pdb": PDB.path.read_bytes()}, packing)
    path = write(tmp_path, write_cabinet({"inner.cab": inner}, packing))
    with pytest.raises(MalformedSymbolFileError):
        convert(path, PDB.asked, max_unpacked_bytes=MOST_BYTES)


@EVERY_PACKING
def test_cabinets_of_the_tests_are_those_that_cabextract_reads(
    packing: Packing, tmp_path: Path
) -> None:
    content = {
        "one.pdb": PDB.path.read_bytes(),
        "two": THUMB.path.read_bytes(),
        "zeros": bytes(70000),
    }
    path = write(tmp_path, write_cabinet(content, packing))
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    run(["cabextract", "--quiet", "--directory=out", str(path)], tmp_path)
    assert {each.name: each.read_bytes() for each in (tmp_path / "out").iterdir()} == content
