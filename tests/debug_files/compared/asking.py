"""Asks us and both references about a program."""

from collections import Counter
from typing import NamedTuple

from symbolon_server.debug_files.conversion import convert
from symbolon_server.symbols.reading.symbol_table import SymbolTable
from tests.debug_files.compared.comparing import Verdict, judge_all
from tests.debug_files.compared.references import Frames, ask_addr2line, ask_llvm, frames_of
from tests.debug_files.compiling import Binary, code_addresses, load_address

MOST_BYTES = 1 << 30

LEAST_SHARE = 0.999
"""Of the answers that both references give alike, those that we give as well."""


class Compared(NamedTuple):
    """One program, and what we and the references say about each address of its code."""

    table: SymbolTable
    ours: list[Frames]
    llvm: list[Frames]
    addr2line: list[Frames]

    @property
    def verdicts(self) -> Counter[Verdict]:
        return judge_all(self.ours, self.llvm, self.addr2line)


def ask_all(binary: Binary, step: int = 1) -> Compared:
    """Return what all three say about each `step`th address of the code."""
    addresses = code_addresses(binary.program)[::step]
    table, ours = ask_us(binary, addresses)
    return Compared(
        table, ours, ask_llvm(binary.program, addresses), ask_addr2line(binary.program, addresses)
    )


def ask_us(binary: Binary, addresses: range) -> tuple[SymbolTable, list[Frames]]:
    """Return a program's table, and our frames with mangled names of each address."""
    base = load_address(binary.program)
    table = convert(
        binary.debug_file, binary.asked, are_demangled=False, max_unpacked_bytes=MOST_BYTES
    )
    return table, [frames_of(table.find(address - base)) for address in addresses]
