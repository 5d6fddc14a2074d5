"""A stored module: one page directory and numbered pages."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols.ground.module_ids import ModuleId

Offsets = NDArray[np.uint64]

BREAKPAD_FORMAT: Final = "breakpad"
"""The format of symbol files."""

ONLY_SYMBOL_TABLE: Final = "only a symbol table was found: lines and inline frames are missing"


def page_owner(generation: str, number: int) -> bytes:
    """Return the owner of a page, for its seal: a generation belongs to one module only."""
    return f"{generation}:{number}".encode()


class PageKey(NamedTuple):
    """The identity of one page; different generations never share a key."""

    module_id: ModuleId
    generation: str
    number: int
    """Position in the page directory, from 0; the page dictionary comes after the last page."""

    @property
    def owner(self) -> bytes:
        """The owner of the page, for its seal."""
        return page_owner(self.generation, self.number)


class ModuleFacts(NamedTuple):
    """What a symbol file or native file says about its module, besides its symbols.

    A named tuple, like `IngestFacts`, because a call makes one for each of its new modules.
    """

    os: str
    architecture: str
    module_name: str
    """The code file if the symbol file has it, else the debug file."""

    code_id: str
    """Empty if the symbol file does not have it."""

    functions: int
    public_symbols: int
    ranges: int
    skipped_records: Mapping[str, int]
    """Number of bad records by kind; only kinds that occurred."""

    format: str = BREAKPAD_FORMAT
    """The format of the file: `breakpad`, `elf`, `pe`, `pdb`, `macho` or `wasm`."""

    has_debug_info: bool = True
    """False if the names come from a symbol table alone, without lines and inline frames."""

    notes: tuple[str, ...] = ()
    """What the file refers to and this server does not read, in a clause each for humans."""

    @property
    def detail(self) -> str:
        """What is missing from the answers, in one line for humans; empty if nothing is."""
        symbol_table = () if self.has_debug_info else (ONLY_SYMBOL_TABLE,)
        return "; ".join((*symbol_table, *self.notes))


class IngestFacts(NamedTuple):
    """When and from where a module was ingested."""

    supplier: str
    """Name of the supplier that had the symbol file, without credentials."""

    finished_at: float
    """Seconds since the Unix epoch; for display only, never compared."""

    seconds: float
    """From the start of the fetch to the last page written."""

    fetched_bytes: int
    """Bytes as the supplier sent them, before decompression."""

    as_of: int = 0
    """Number of the last invalidation of any module when the ingest began; 0 if there was none."""


@dataclass(frozen=True, slots=True)
class PageDirectory:
    """A module's facts and the first module offset of each of its pages."""

    generation: str
    facts: ModuleFacts
    ingest: IngestFacts
    stored_bytes: int
    """Total size of the encoded pages and their dictionary."""

    first_offsets: Offsets
    """Shape (pages,): first module offset of each page, strictly ascending."""

    has_dictionary: bool = False
    """Whether the pages are compressed with a page dictionary."""

    @property
    def page_count(self) -> int:
        """Number of pages of the module."""
        return len(self.first_offsets)

    @property
    def stored_count(self) -> int:
        """Number of pages, counting their dictionary: everything that a generation stores."""
        return self.page_count + self.has_dictionary

    def dictionary_key(self, module_id: ModuleId) -> PageKey | None:
        """Return the key of the page dictionary, or None without one."""
        if not self.has_dictionary:
            return None
        return PageKey(module_id, self.generation, self.page_count)

    def find_page(self, module_offset: int) -> int | None:
        """Return the number of the page that covers `module_offset`, or None."""
        place = bisect_right(self.first_offsets.data, module_offset)
        return place - 1 if place else None

    def find_pages(self, module_offsets: Sequence[int]) -> set[int]:
        """Return the numbers of the pages that cover any of `module_offsets`."""
        first_offsets = self.first_offsets.data
        return {bisect_right(first_offsets, offset) - 1 for offset in module_offsets} - {-1}


@dataclass(frozen=True, slots=True)
class PagedModule:
    """A module ready to be stored."""

    directory: PageDirectory
    pages: tuple[bytes, ...]
    """Encoded pages by number, then their dictionary, if there is one."""
