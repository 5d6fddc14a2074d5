"""What a module becomes when it is stored: one page directory and numbered pages."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols.ground.module_ids import ModuleId

Offsets = NDArray[np.uint64]


def page_owner(generation: str, number: int) -> bytes:
    """Return whose a page is, for its seal: no other module has the generation."""
    return f"{generation}:{number}".encode()


class PageKey(NamedTuple):
    """The identity of one page; pages of two generations never share a key."""

    module_id: ModuleId
    generation: str
    number: int
    """Place in the page directory, from 0; that of the page dictionary is behind the last page."""

    @property
    def owner(self) -> bytes:
        """Whose the page is, for its seal."""
        return page_owner(self.generation, self.number)


class ModuleFacts(NamedTuple):
    """What a symbol file says about its module, beyond its symbols.

    A named tuple, as `IngestFacts` is: a call makes some for each of its new modules.
    """

    os: str
    architecture: str
    module_name: str
    """The code file where the symbol file tells it, else the debug file."""

    code_id: str
    """Empty where the symbol file does not tell it."""

    functions: int
    public_symbols: int
    ranges: int
    skipped_records: Mapping[str, int]
    """Bad records by kind; only kinds that occurred."""


class IngestFacts(NamedTuple):
    """How a module came to be stored."""

    supplier: str
    """Name of the supplier that had the symbol file, without credentials."""

    finished_at: float
    """Seconds since the Unix epoch; shown to people, never compared."""

    seconds: float
    """From the first byte fetched to the last page written."""

    fetched_bytes: int
    """Bytes as the supplier sent them, before unpacking."""

    as_of: int = 0
    """Number of the last invalidation of any module when the ingest began; 0: there was none."""


@dataclass(frozen=True, slots=True)
class PageDirectory:
    """A module's facts and the first module offset of each of its pages."""

    generation: str
    facts: ModuleFacts
    ingest: IngestFacts
    stored_bytes: int
    """Sum of the lengths of the encoded pages and of their dictionary."""

    first_offsets: Offsets
    """Shape (pages,): first module offset of each page, strictly ascending."""

    has_dictionary: bool = False
    """The pages are compressed by a page dictionary, see `page_dictionary`."""

    @property
    def page_count(self) -> int:
        """Number of pages of the module."""
        return len(self.first_offsets)

    @property
    def stored_count(self) -> int:
        """Number of the pages and of their dictionary: all that a generation stores."""
        return self.page_count + self.has_dictionary

    def dictionary_key(self, module_id: ModuleId) -> PageKey | None:
        """Return the key of the page dictionary, None where there is none."""
        if not self.has_dictionary:
            return None
        return PageKey(module_id, self.generation, self.page_count)

    def find_page(self, module_offset: int) -> int | None:
        """Return the number of the page that covers `module_offset`, if any does."""
        place = bisect_right(self.first_offsets.data, module_offset)
        return place - 1 if place else None


@dataclass(frozen=True, slots=True)
class PagedModule:
    """A module ready to be stored."""

    directory: PageDirectory
    pages: tuple[bytes, ...]
    """Encoded pages, by number; last their dictionary, if there is one."""
