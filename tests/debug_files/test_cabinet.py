"""Files in cabinets."""

import importlib.util
import random
from pathlib import Path

import pytest

from symbolon_server.debug_files.cabinet import FREE_BYTES, MAX_RATIO, unpack_cabinet
from symbolon_server.symbols.ground.errors import MalformedSymbolFileError
from tests.fixtures.cabinets import Packing, write_cabinet

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("archi") is None, reason="the extra native is not installed"
)

LIMIT = 1 << 30
CONTENT = random.Random(1).randbytes(30_000) * 3


def unpack(data: bytes, folder: Path, limit: int = LIMIT) -> bytes:
    (folder / "a.pd_").write_bytes(data)
    unpack_cabinet(folder / "a.pd_", folder / "out", limit)
    return (folder / "out").read_bytes()


@pytest.mark.parametrize("packing", [Packing.MSZIP, Packing.LZX])
@pytest.mark.parametrize("size", [1, 1000, 32_768])
def test_a_file_is_unpacked(packing: Packing, size: int, tmp_path: Path) -> None:
    assert unpack(write_cabinet({"a.pdb": CONTENT[:size]}, packing), tmp_path) == CONTENT[:size]


def test_a_file_of_several_blocks_is_unpacked(tmp_path: Path) -> None:
    assert unpack(write_cabinet({"a.pdb": CONTENT}, Packing.MSZIP), tmp_path) == CONTENT


@pytest.mark.parametrize("name", ["../../out.pdb", "/etc/a.pdb", "C:\\a.pdb", "a" * 255])
def test_the_name_in_the_cabinet_does_not_matter(name: str, tmp_path: Path) -> None:
    assert unpack(write_cabinet({name: CONTENT}, Packing.MSZIP), tmp_path) == CONTENT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pd_", "out"]


def test_two_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MalformedSymbolFileError, match="more than one file"):
        unpack(write_cabinet({"a.pdb": CONTENT, "b.pdb": CONTENT}, Packing.MSZIP), tmp_path)


def test_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    data = write_cabinet({"a.pdb": CONTENT}, Packing.MSZIP)
    assert unpack(data, tmp_path, len(CONTENT)) == CONTENT
    with pytest.raises(MalformedSymbolFileError, match="unpacks to over 89999 bytes"):
        unpack(data, tmp_path, len(CONTENT) - 1)


def test_a_file_out_of_proportion_to_its_cabinet_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_cabinet({"a.pdb": b"\0" * (1 << 20)}, Packing.MSZIP)
    assert len(data) * MAX_RATIO < 1 << 20 < FREE_BYTES
    assert len(unpack(data, tmp_path)) == 1 << 20
    monkeypatch.setattr("symbolon_server.debug_files.cabinet.FREE_BYTES", 1 << 19)
    with pytest.raises(MalformedSymbolFileError, match=f"unpacks to over {1 << 19} bytes"):
        unpack(data, tmp_path)


def test_a_truncated_or_changed_cabinet_is_refused_or_whole(tmp_path: Path) -> None:
    data = write_cabinet({"a.pdb": CONTENT[:1000]}, Packing.MSZIP)
    randomness = random.Random(1)
    for _ in range(100):
        changed = bytearray(data[: randomness.randrange(4, len(data) + 200)])
        changed[randomness.randrange(4, len(changed))] ^= 1 << randomness.randrange(8)
        try:
            assert len(unpack(bytes(changed), tmp_path, 5000)) <= 5000
        except MalformedSymbolFileError:
            continue
