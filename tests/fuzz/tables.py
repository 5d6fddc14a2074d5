"""What must hold of every symbol table, whatever it was read from."""

import numpy as np

from symbolon_server.symbols.reading.symbol_table import SymbolTable
from tests.fixtures.paging import decode_pages
from tests.fuzz.samples import write_table


def check_table(table: SymbolTable, page_weight: int) -> None:
    """Raise `AssertionError` unless the pages of `table` answer as it does, at every border."""
    starts = table.ranges.start
    assert (starts[1:] > starts[:-1]).all()
    module = write_table(table, page_weight)
    pages = decode_pages(module)
    assert sum(len(page.range_start) for page in pages) == len(starts)
    ends = np.append(starts[1:] - np.uint64(1), np.uint64(2**64 - 1))
    for offset in {0, 2**64 - 1, *starts.tolist(), *ends[: len(starts)].tolist()}:
        number = module.directory.find_page(offset)
        found = None if number is None else pages[number].find(offset)
        assert found == table.find(offset), offset
