"""Hostile native files: cut, changed, and lying about the size of what they compress."""

import struct
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from tests.debug_files.mills import ARM64, DSYM, FAT, MINGW, PDB, RUST, THUMB, Mill, wasm_mill

HOSTILE_MILLS = [RUST[1], THUMB, ARM64, MINGW, PDB, PDB._replace(name="mill.pd_"), DSYM, FAT[1]]
HOSTILE_MILLS.append(wasm_mill())

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


class HostileFile(NamedTuple):
    """One changed file, and the number from which it was made."""

    mill: Mill
    seed: int
    content: bytes

    def __str__(self) -> str:
        return f"{self.mill.name} changed by seed {self.seed}"


def hostile_files(count: int) -> Iterator[HostileFile]:
    """Yield `count` changed files, of each mill in turn, always the same ones."""
    contents = [mill.path.read_bytes() for mill in HOSTILE_MILLS]
    for seed in range(count):
        place = seed % len(HOSTILE_MILLS)
        yield HostileFile(HOSTILE_MILLS[place], seed, _change(contents[place], Random(seed)))


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
_ZLIB = 1


def lying_elf(content: bytes, claimed_bytes: int) -> bytes:
    """Return a 64-bit ELF file whose .debug_info claims to unpack to `claimed_bytes`."""
    lying = bytearray(content)
    (headers,) = struct.unpack_from("<Q", lying, 0x28)
    size, count, names_at = struct.unpack_from("<HHH", lying, 0x3A)
    names = _section(lying, headers + size * names_at)
    for header in range(headers, headers + size * count, size):
        (name,) = struct.unpack_from("<I", lying, header)
        if lying[names.start + name :].startswith(b".debug_info\0"):
            (flags,) = struct.unpack_from("<Q", lying, header + 8)
            struct.pack_into("<Q", lying, header + 8, flags | _SHF_COMPRESSED)
            at = _section(lying, header).start
            struct.pack_into("<IIQQ", lying, at, _ZLIB, 0, claimed_bytes, 1)
            return bytes(lying)
    raise LookupError("the file has no .debug_info")


def _section(content: bytearray, header: int) -> range:
    start, size = struct.unpack_from("<QQ", content, header + 0x18)
    return range(start, start + size)
