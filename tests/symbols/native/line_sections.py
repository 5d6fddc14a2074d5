"""Writes `.debug_line` as compilers do, in each version, for rows that a test chooses."""

import struct
from collections.abc import Sequence
from typing import NamedTuple

OPCODE_BASE = 13
LINE_BASE, LINE_RANGE = -5, 14
COUNTS = bytes([0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1])
FOLDER = b"/orchard"


class Row(NamedTuple):
    """One row; `file` is 0 or 1."""

    address: int
    file: int
    line: int


class Span(NamedTuple):
    """A sequence: rows in ascending order, and where it ends."""

    rows: Sequence[Row]
    end: int


def uleb(value: int) -> bytes:
    """Return a LEB128 number without a sign."""
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits, value])


def sleb(value: int) -> bytes:
    """Return a LEB128 number with a sign."""
    digits = bytearray()
    while not -64 <= value < 64:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits, value & 0x7F])


def write_program(
    sequences: Sequence[Span], first_file: int, order: str, address_bytes: int
) -> bytes:
    """Return a program with all kinds of operations that compilers use."""
    number = order + ("Q" if address_bytes == 8 else "I")
    program = b""
    for rows, end in sequences:
        address, file, line = rows[0].address, 1, 1
        program += b"\x04" + uleb(rows[0].file + first_file)  # gas sets the file first
        program += bytes([0, address_bytes + 1, 2]) + struct.pack(number, address)
        file = rows[0].file + first_file
        for row in rows:
            if row.file + first_file != file:
                file = row.file + first_file
                program += b"\x04" + uleb(file)
            step, change = row.address - address, row.line - line
            special = change - LINE_BASE + LINE_RANGE * step + OPCODE_BASE
            if LINE_BASE <= change < LINE_BASE + LINE_RANGE and special <= 255:
                program += bytes([special])
            else:
                program += b"\x03" + sleb(change) + b"\x02" + uleb(step) + b"\x0a\x05\x07\x01"
            address, line = row.address, row.line
        program += b"\x09" + struct.pack(f"{order}H", end - address) + b"\x00\x01\x01"
    return program


def write_unit(
    version: int, sequences: Sequence[Span], order: str = "<", address_bytes: int = 8
) -> bytes:
    """Return a unit whose files are `/orchard/src/a.c` and `/orchard/b.c`."""
    machine = bytes([1, *([1] if version > 3 else []), 1])
    machine += struct.pack("b", LINE_BASE) + bytes([LINE_RANGE, OPCODE_BASE]) + COUNTS
    if version == 5:
        tables = bytes([1, 1, 0x08, 2]) + FOLDER + b"\0src\0"
        tables += bytes([3, 1, 0x08, 2, 0x0B, 5, 0x1E, 2])
        tables += b"a.c\0\1" + bytes(16) + b"b.c\0\0" + bytes(16)
    else:
        tables = b"src\0\0a.c\0\1\0\0b.c\0\0\0\0\0"
    header = machine + tables
    start = struct.pack(f"{order}H", version)
    start += bytes([address_bytes, 0]) if version == 5 else b""
    start += struct.pack(f"{order}I", len(header))
    first_file = 0 if version == 5 else 1
    body = start + header + write_program(sequences, first_file, order, address_bytes)
    return struct.pack(f"{order}I", len(body)) + body
