"""Hostile native files: cut, changed, and lying about the size of what they compress."""

import struct
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

import zstandard

from tests.debug_files.mills import ARM64, DSYM, FAT, MINGW, PDB, RUST, THUMB, Mill, wasm_mill
from tests.fixtures.packing.cabinets import Packing, write_cabinet

KINDS = {
    "ELF": RUST[1],
    "ELF of 32 bits": THUMB,
    "ELF with a short id": ARM64,
    "ELF with a packed section": RUST[0],
    "PE": MINGW,
    "PDB": PDB,
    "MSZIP cabinet": PDB._replace(name="mill.pd_"),
    "LZX cabinet": PDB,
    "Mach-O": DSYM,
    "fat Mach-O": FAT[1],
    "wasm": wasm_mill(),
}

_MOST_CHANGES = 8
_NUMBERS = [
    0,
    1,
    0x7F,
    0xFF,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    (1 << 63) - 1,
    (1 << 64) - 1,
]


def content_of(kind: str) -> bytes:
    """Return the file of one of `KINDS`, before it is changed."""
    content = KINDS[kind].path.read_bytes()
    if kind == "LZX cabinet":
        return write_cabinet({"mill.pdb": content}, Packing.LZX)
    if kind == "ELF with a packed section":
        _, section = _find_info(bytearray(content))
        info = content[section.start : section.stop]
        return elf_with_info(content, ZSTD, zstandard.compress(info), len(info))
    return content


class HostileFile(NamedTuple):
    """One changed file, and the number from which it was made."""

    mill: Mill
    seed: int
    content: bytes
    is_cut: bool = False
    """Whether it is the beginning of a file, and nothing else."""

    def __str__(self) -> str:
        return f"{self.mill.name} changed by seed {self.seed}"


def hostile_files(count: int, *kinds: str) -> Iterator[HostileFile]:
    """Yield `count` changed files, of each of these `KINDS` in turn, always the same ones."""
    originals = [(KINDS[kind], content_of(kind)) for kind in kinds or KINDS]
    for seed in range(count):
        mill, content = originals[seed % len(originals)]
        changed = _change(content, Random(seed))
        yield HostileFile(mill, seed, changed, content.startswith(changed))


def _change(content: bytes, random: Random) -> bytes:
    if random.random() < 0.25:
        return content[: random.randrange(len(content))]
    changed = bytearray(content)
    for _ in range(random.randint(1, _MOST_CHANGES)):
        random.choice((_set_byte, _set_number, _set_run, _copy_run))(changed, random)
    return bytes(changed)


def _place(changed: bytearray, random: Random) -> int:
    """Return a place; half of them are where headers and tables are."""
    if random.random() < 0.5:
        near = random.randrange(1024)
        return random.choice((near, len(changed) - 1 - near)) % len(changed)
    return random.randrange(len(changed))


def _set_byte(changed: bytearray, random: Random) -> None:
    changed[_place(changed, random)] = random.randrange(256)


def _set_number(changed: bytearray, random: Random) -> None:
    size = random.choice((2, 4, 8))
    at = min(_place(changed, random), len(changed) - size)
    number = random.choice(_NUMBERS) & ((1 << 8 * size) - 1)
    changed[at : at + size] = number.to_bytes(size, random.choice(("little", "big")))


def _set_run(changed: bytearray, random: Random) -> None:
    at, size = _place(changed, random), random.randint(1, 64)
    changed[at : at + size] = bytes([random.choice((0, 0xFF))]) * len(changed[at : at + size])


def _copy_run(changed: bytearray, random: Random) -> None:
    at, to, size = _place(changed, random), _place(changed, random), random.randint(4, 256)
    piece = changed[at : at + size][: len(changed) - to]
    changed[to : to + len(piece)] = piece


_SHF_COMPRESSED = 0x800
ZLIB, ZSTD = 1, 2
OLDER = 0
"""Compressed with zlib in the older way of GNU tools, which has no number."""

_OLDER_PREFIX = b".zdebug_info"


def lying_elf(content: bytes, claimed_bytes: int) -> bytes:
    """Return a 64-bit ELF file whose .debug_info claims to unpack to `claimed_bytes`."""
    lying = bytearray(content)
    header, section = _find_info(lying)
    _set_flag(lying, header)
    struct.pack_into("<IIQQ", lying, section.start, ZLIB, 0, claimed_bytes, 1)
    return bytes(lying)


def elf_with_info(content: bytes, method: int, packed: bytes, claimed_bytes: int) -> bytes:
    """Return a 64-bit ELF file whose .debug_info is `packed`, and claims to be so large."""
    changed = bytearray(content)
    header, _ = _find_info(changed)
    if method == OLDER:
        (names,) = struct.unpack_from("<Q", changed, _names_header(changed) + 0x18)
        struct.pack_into("<I", changed, header, len(changed) - names)
        changed += _OLDER_PREFIX + b"\0"
        _set_place(changed, _names_header(changed), range(names, len(changed)))
        packed = b"ZLIB" + struct.pack(">Q", claimed_bytes) + packed
    else:
        _set_flag(changed, header)
        packed = struct.pack("<IIQQ", method, 0, claimed_bytes, 1) + packed
    _set_place(changed, header, range(len(changed), len(changed) + len(packed)))
    return bytes(changed) + packed


def _names_header(content: bytearray) -> int:
    """Return where the header of the section of names is."""
    (headers,) = struct.unpack_from("<Q", content, 0x28)
    size, _, names_at = struct.unpack_from("<HHH", content, 0x3A)
    return int(headers + size * names_at)


def _find_info(content: bytearray) -> tuple[int, range]:
    """Return where the header of .debug_info is, and the section."""
    (headers,) = struct.unpack_from("<Q", content, 0x28)
    size, count = struct.unpack_from("<HH", content, 0x3A)
    names = _section(content, _names_header(content))
    for header in range(headers, headers + size * count, size):
        (name,) = struct.unpack_from("<I", content, header)
        if content[names.start + name :].startswith(b".debug_info\0"):
            return header, _section(content, header)
    raise LookupError("the file has no .debug_info")


def _set_flag(content: bytearray, header: int) -> None:
    (flags,) = struct.unpack_from("<Q", content, header + 8)
    struct.pack_into("<Q", content, header + 8, flags | _SHF_COMPRESSED)


def _section(content: bytearray, header: int) -> range:
    start, size = struct.unpack_from("<QQ", content, header + 0x18)
    return range(start, start + size)


def _set_place(content: bytearray, header: int, place: range) -> None:
    struct.pack_into("<QQ", content, header + 0x18, place.start, len(place))
