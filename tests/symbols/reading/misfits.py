"""A page of one range whose columns can be changed under a correct checksum."""

from collections.abc import Sequence

import numpy as np

from symbolon_server.symbols.ground.pages import page_owner
from symbolon_server.symbols.paging import layout as page_layout
from symbolon_server.symbols.paging.column_codes import write_columns, zigzag
from symbolon_server.symbols.paging.envelope import seal
from symbolon_server.symbols.paging.layout import PageColumns

OWNER = page_owner("1-0", 0)
START = 0x1000
TEXTS = (b"outer", b"inner", b"a.c")

UNSIGNED = {
    "range_step": [0],
    "range_symbol": [0],
    "symbol_size": [8],
    "symbol_flags": [0],
    "chain_around": [1],
    "name": [0, 0],
    "name_file": [1, 1],
    "name_line": [5, 7],
}
SIGNED = {
    "range_chain": [0],
    "range_file": [0],
    "range_line": [0],
    "symbol_start": [0],
    "chain_call_file": [1],
    "chain_call_line": [5],
}


def page(texts: Sequence[bytes] = TEXTS, owner: bytes = OWNER, **changed: list[int]) -> bytes:
    """Return a page of one range with one inline frame, some of its columns changed."""
    columns = {
        name: zigzag(np.array(changed.get(name, values), np.int64))
        for name, values in SIGNED.items()
    }
    columns |= {
        name: np.array(changed.get(name, values), np.uint64) for name, values in UNSIGNED.items()
    }
    header = page_layout.HEADER.pack(START, 1, 1, 1, 2, 1)
    ended = [text + page_layout.TEXT_END for text in texts]
    content = [header, write_columns(PageColumns(**columns)), *ended]
    return seal(page_layout.MARK, owner, b"".join(content))


def misfit(owner: bytes) -> bytes:
    """Return an inconsistent page with a correct checksum; it starts at `START`."""
    return page(owner=owner, chain_around=[0])
