"""Runs line number programs of DWARF 2 to 5, each sequence of rows for itself.

A program is a list of operations on a machine with an address, a file and a line. Most append a row
with what these are at the time. A sequence of rows covers code without a gap up to its last row,
which is its end.
"""

from array import array
from dataclasses import dataclass, field
from typing import Final

from symbolon_server.symbols.native.dwarf_cursor import MAX_DIGITS, ByteOrder

END: Final = -1
"""The file of the last row of a sequence, from which on it covers nothing."""

_COPY, _ADVANCE_PC, _ADVANCE_LINE, _SET_FILE = 1, 2, 3, 4
_CONST_ADD_PC, _FIXED_ADVANCE_PC = 8, 9
_END_SEQUENCE, _SET_ADDRESS = 1, 2
_END_OPERATION: Final = bytes([0, 1, _END_SEQUENCE])
_ADDRESS_MASK: Final = 0xFFFFFFFFFFFFFFFF
_LINE_MASK: Final = 0xFFFFFFFF
_MAX_FILE: Final = 0x7FFFFFFF
_LAST_OPCODE: Final = 255


@dataclass(frozen=True, slots=True)
class LineRows:
    """Rows in the order of the program."""

    address: "array[int]" = field(default_factory=lambda: array("Q"))
    file: "array[int]" = field(default_factory=lambda: array("i"))
    """Number of the file in the unit, or `END`."""

    line: "array[int]" = field(default_factory=lambda: array("I"))
    """0 if the compiler knows none."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What the header of a unit says about its operations."""

    order: ByteOrder
    least_instruction: int
    """Bytes that addresses are multiples of."""

    line_base: int
    line_range: int
    opcode_base: int
    operand_counts: bytes
    """Operands of each standard operation, from 1 on, to skip those that are not known."""


def run_sequence(program: bytes, place: int, machine: Machine, rows: LineRows) -> int:
    """Append the sequence that starts at `place`; return the place behind it.

    Nothing is appended, and the end returned, if the program ends before the sequence does.
    """
    count = len(rows.file)
    try:
        return _run(program, place, machine, rows)
    except IndexError:
        for column in (rows.address, rows.file, rows.line):
            del column[count:]
        return len(program)


def sequence_start(program: bytes, first: int, place: int) -> int:
    """Return where the sequence around `place` starts, which is at `first` or behind it.

    It may begin with other operations than the one that sets its address.
    """
    behind = program.rfind(_END_OPERATION, first, place)
    return first if behind < 0 else behind + len(_END_OPERATION)


def _run(  # noqa: C901, PLR0912
    program: bytes, place: int, machine: Machine, rows: LineRows
) -> int:
    # One loop over bytes, as each function that it called would take as long as the rest of it.
    addresses, files, lines = rows.address, rows.file, rows.line
    least, base, width = machine.least_instruction, machine.line_base, machine.line_range
    first_special, order = machine.opcode_base, machine.order
    const_add = (_LAST_OPCODE - first_special) // width * least
    address, file, line = 0, 1, 1
    while True:
        opcode = program[place]
        place += 1
        if opcode >= first_special:
            step = opcode - first_special
            address = (address + step // width * least) & _ADDRESS_MASK
            line = (line + base + step % width) & _LINE_MASK
            addresses.append(address)
            files.append(file)
            lines.append(line)
        elif opcode == _COPY:
            addresses.append(address)
            files.append(file)
            lines.append(line)
        elif opcode == _CONST_ADD_PC:
            address = (address + const_add) & _ADDRESS_MASK
        elif opcode == _FIXED_ADVANCE_PC:
            step = int.from_bytes(program[place : place + 2], order)
            address = (address + step) & _ADDRESS_MASK
            place += 2
        elif opcode == 0:
            size, place = _leb128(program, place)
            kind, after = program[place], place + size
            if kind == _END_SEQUENCE:
                addresses.append(address)
                files.append(END)
                lines.append(0)
                return after
            if kind == _SET_ADDRESS:
                address = int.from_bytes(program[place + 1 : after], order) & _ADDRESS_MASK
            place = after
        elif opcode == _ADVANCE_PC:
            step, place = _leb128(program, place)
            address = (address + step * least) & _ADDRESS_MASK
        elif opcode == _ADVANCE_LINE:
            start = place
            step, place = _leb128(program, place)
            bits = 7 * (place - start)
            line = (line + step - (step >> (bits - 1) << bits)) & _LINE_MASK
        elif opcode == _SET_FILE:
            file, place = _leb128(program, place)
            file = min(file, _MAX_FILE)
        else:
            for _ in range(machine.operand_counts[opcode - 1]):
                _, place = _leb128(program, place)


def _leb128(data: bytes, place: int) -> tuple[int, int]:
    """Return a LEB128 number without a sign, and the place behind it."""
    value = shift = 0
    while shift < 7 * MAX_DIGITS:
        digits = data[place]
        place += 1
        value |= (digits & 0x7F) << shift
        if digits <= 0x7F:  # noqa: PLR2004 - the highest bit says that more follow
            return value, place
        shift += 7
    raise IndexError("a number is too long")
