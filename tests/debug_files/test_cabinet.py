"""Files in cabinets."""

import importlib.util
import random
import shutil
from pathlib import Path

import pytest

from symbolon_server.debug_files.cabinet import FREE_BYTES, MAX_RATIO, unpack_cabinet
from symbolon_server.debug_files.conversion import convert
from symbolon_server.symbols.ground.errors import MalformedSymbolFileError
from tests.debug_files.compiling import run
from tests.debug_files.mills import PDB, THUMB, Mill
from tests.fixtures.cabinets import Packing, write_cabinet

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("archi") is None, reason="the extra native is not installed"
)

LIMIT = 1 << 30
MOST_BYTES = 1 << 20
EVERY_PACKING = pytest.mark.parametrize("packing", Packing)
CONTENT = random.Random(1).randbytes(30_000) * 3


def unpack(data: bytes, folder: Path, limit: int = LIMIT) -> bytes:
    (folder / "a.pd_").write_bytes(data)
    unpack_cabinet(folder / "a.pd_", folder / "out", limit)
    return (folder / "out").read_bytes()


@EVERY_PACKING
@pytest.mark.parametrize("size", [1, 1000, 32_768])
def test_a_file_is_unpacked(packing: Packing, size: int, tmp_path: Path) -> None:
    assert unpack(write_cabinet({"a.pdb": CONTENT[:size]}, packing), tmp_path) == CONTENT[:size]


def test_a_file_of_several_blocks_is_unpacked(tmp_path: Path) -> None:
    assert unpack(write_cabinet({"a.pdb": CONTENT}), tmp_path) == CONTENT


@pytest.mark.parametrize("name", ["../../out.pdb", "/etc/a.pdb", "C:\\a.pdb", "a" * 255])
def test_the_name_in_the_cabinet_does_not_matter(name: str, tmp_path: Path) -> None:
    assert unpack(write_cabinet({name: CONTENT}), tmp_path) == CONTENT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pd_", "out"]


def test_a_cabinet_has_exactly_one_file(tmp_path: Path) -> None:
    with pytest.raises(MalformedSymbolFileError, match="more than one file"):
        unpack(write_cabinet({"a.pdb": CONTENT, "b.pdb": CONTENT}), tmp_path)
    with pytest.raises(MalformedSymbolFileError, match="cabinet"):
        unpack(write_cabinet({}), tmp_path)


def test_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    data = write_cabinet({"a.pdb": CONTENT})
    assert unpack(data, tmp_path, len(CONTENT)) == CONTENT
    with pytest.raises(MalformedSymbolFileError, match="unpacks to over 89999 bytes"):
        unpack(data, tmp_path, len(CONTENT) - 1)


def test_a_file_out_of_proportion_to_its_cabinet_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_cabinet({"a.pdb": b"\0" * (1 << 20)})
    assert len(data) * MAX_RATIO < 1 << 20 < FREE_BYTES
    assert len(unpack(data, tmp_path)) == 1 << 20
    monkeypatch.setattr("symbolon_server.debug_files.cabinet.FREE_BYTES", 1 << 19)
    with pytest.raises(MalformedSymbolFileError, match=f"unpacks to over {1 << 19} bytes"):
        unpack(data, tmp_path)


def test_a_truncated_or_changed_cabinet_is_refused_or_whole(tmp_path: Path) -> None:
    data = write_cabinet({"a.pdb": CONTENT[:1000]})
    randomness = random.Random(1)
    for _ in range(100):
        changed = bytearray(data[: randomness.randrange(4, len(data) + 200)])
        changed[randomness.randrange(4, len(changed))] ^= 1 << randomness.randrange(8)
        try:
            assert len(unpack(bytes(changed), tmp_path, 5000)) <= 5000
        except MalformedSymbolFileError:
            continue


# Cabinets of native files.


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
def test_a_cut_cabinet_is_malformed(packing: Packing, tmp_path: Path) -> None:
    content = write_cabinet({"mill.pdb": PDB.path.read_bytes()}, packing)
    for end in (8, 36, 44, 60, len(content) // 2, len(content) - 1):
        path = write(tmp_path, content[:end])
        with pytest.raises(MalformedSymbolFileError):
            convert(path, PDB.asked, max_unpacked_bytes=MOST_BYTES)
        assert list(tmp_path.iterdir()) == [path]


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
