"""Files in cabinets."""

import importlib.util
import random
import struct
from hashlib import sha256
from pathlib import Path

import pytest

from symbolon_server.debug_files.cabinet import unpack_cabinet
from symbolon_server.debug_files.conversion import convert
from symbolon_server.symbols.ground.errors import MalformedSymbolFileError
from symbolon_server.symbols.ground.unpacked_sizes import FREE_BYTES, MAX_RATIO
from tests.debug_files.compiling import run
from tests.debug_files.mills import PDB, THUMB, Mill
from tests.fixtures.packing.cabinets import Packing, write_cabinet, write_lzx_cabinet
from tests.fixtures.packing.lzx import FRAME_BYTES, Block, Style

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
    monkeypatch.setattr("symbolon_server.symbols.ground.unpacked_sizes.FREE_BYTES", 1 << 19)
    with pytest.raises(MalformedSymbolFileError, match="unpacks to over 100 times its size"):
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
    assert cabextract(write(tmp_path, write_cabinet(content, packing))) == content


def cabextract(cabinet: Path) -> dict[str, bytes]:
    """Return the members by name as cabextract unpacks them."""
    run(["cabextract", "--quiet", "--directory=members", str(cabinet)], cabinet.parent)
    return {path.name: path.read_bytes() for path in (cabinet.parent / "members").iterdir()}


# Everything that LZX has, and cabinets that other programs wrote.

CALLS = b"".join(
    b"\xe8" + struct.pack("<i", distance)
    for distance in (0, 1, -1, 5000, -5000, 1 << 20, -(1 << 20), (1 << 31) - 1, -(1 << 31))
)
MIXED = (CALLS + random.Random(2).randbytes(34_000) + bytes(5000)) * 2
"""Runs over several frames, distances over the smallest window, and calls."""

STYLES = [
    *(Style(bits, (Block.VERBATIM, Block.ALIGNED), FRAME_BYTES) for bits in range(15, 22)),
    Style(blocks=(Block.UNCOMPRESSED,)),
    Style(17, (Block.UNCOMPRESSED, Block.ALIGNED, Block.VERBATIM), FRAME_BYTES),
    Style(blocks=tuple(Block), block_bytes=FRAME_BYTES, translation_bytes=12_000_000),
    Style(21, (Block.ALIGNED,), 2 * FRAME_BYTES, translation_bytes=len(MIXED)),
]
EVERY_STYLE = pytest.mark.parametrize("style", STYLES)


@EVERY_STYLE
@pytest.mark.parametrize("size", [len(MIXED), 11])
def test_all_that_lzx_has_is_unpacked(style: Style, size: int, tmp_path: Path) -> None:
    assert unpack(write_lzx_cabinet({"a.pdb": MIXED[:size]}, style), tmp_path) == MIXED[:size]


@EVERY_STYLE
def test_what_the_tests_write_as_lzx_is_what_cabextract_reads(style: Style, tmp_path: Path) -> None:
    path = write(tmp_path, write_lzx_cabinet({"a.pdb": MIXED}, style))
    assert cabextract(path) == {"a.pdb": MIXED}


FOLDER_AT = 36
CABINETS = Path(__file__).resolve().parents[1] / "data/cabinets"
PUBLIC = {
    "lzx-e8.cab": "f8a84fa33d8787ba02086c341b1fc231be10585c93f0f73ad1fb17e6bea2a128",
    "lzx-16-bit.cab": "a76be11a5fcfa5302de6937a2cc5b16148a9f87530fd826ef497755c3035b37f",
    "makecab-lzx.cab": "06c54de130bd50d86c96c90ab3a80d58824f0657b60fc053df02bbd2b0d3a115",
    "makecab-lzx-text.cab": "cf5f8b1d918195490224b97d764950b48a876b8b2069e1026806deaef52efc39",
}
"""Cabinets, and SHA-256 of what cabextract unpacks, the members one after another."""


def with_one_member(cabinet: bytes) -> bytes:
    """Return a cabinet that has all of its only folder as one member."""
    files_at, folders, files = struct.unpack_from("<I6xHH", cabinet, 16)
    assert folders == 1
    (data_at,) = struct.unpack_from("<I", cabinet, FOLDER_AT)
    size, at = 0, files_at
    for _ in range(files):
        size += struct.unpack_from("<I", cabinet, at)[0]
        at = cabinet.index(b"\0", at + 16) + 1
    record = struct.pack("<IIHHHH", size, 0, 0, 0x5C21, 0, 0x20) + b"a.pdb\0"
    moved = files_at + len(record) - data_at
    changed = bytearray(cabinet[:files_at] + record + cabinet[data_at:])
    struct.pack_into("<I", changed, 8, len(changed))
    struct.pack_into("<H", changed, 28, 1)
    struct.pack_into("<I", changed, FOLDER_AT, data_at + moved)
    return bytes(changed)


@pytest.mark.parametrize(("name", "digest"), PUBLIC.items())
def test_public_lzx_cabinets_are_unpacked(name: str, digest: str, tmp_path: Path) -> None:
    unpacked = unpack(with_one_member((CABINETS / name).read_bytes()), tmp_path)
    assert sha256(unpacked).hexdigest() == digest


@pytest.mark.parametrize("name", PUBLIC)
def test_public_lzx_cabinets_are_unpacked_as_by_cabextract(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, with_one_member((CABINETS / name).read_bytes()))
    assert unpack(path.read_bytes(), tmp_path) == cabextract(path)["a.pdb"]


@pytest.mark.parametrize("name", ["makecab-lzx.cab", "makecab-lzx-text.cab"])
def test_public_cabinets_of_several_members_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(MalformedSymbolFileError, match="more than one file"):
        unpack((CABINETS / name).read_bytes(), tmp_path)


@pytest.mark.parametrize("name", ["two-1.cab", "two-2.cab"])
def test_a_file_in_two_cabinets_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(MalformedSymbolFileError, match=r"cannot be unpacked: .*multivolume"):
        unpack((CABINETS / name).read_bytes(), tmp_path)


def test_a_compression_that_is_not_read_is_told(tmp_path: Path) -> None:
    quantum = bytearray(write_cabinet({"a.pdb": CONTENT}))
    struct.pack_into("<H", quantum, FOLDER_AT + 6, 0x1202)
    with pytest.raises(MalformedSymbolFileError, match=r"cannot be unpacked: .*Quantum"):
        unpack(bytes(quantum), tmp_path)
