"""The layouts by the names that settings give them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from symbolon_server.suppliers.layouts.by_id import DEBUGINFOD, SLASHSYMBOLS, UNIFIED
from symbolon_server.suppliers.layouts.layout import Layout, by_code_id, by_debug_id
from symbolon_server.suppliers.layouts.native import native
from symbolon_server.suppliers.layouts.symbol_servers import (
    Compressed,
    ssqp,
    symstore,
    symstore_index2,
)

DEFAULT_LAYOUT: Final = "debug_id"

NAMED_LAYOUTS: Final[Mapping[str, Callable[[Compressed], Sequence[Layout]]]] = {
    "debug_id": lambda _: (by_debug_id,),
    "debug_id+code_id": lambda _: (by_debug_id, by_code_id),
    "breakpad": lambda _: (by_debug_id,),
    "native": lambda compressed: (native(compressed),),
    "symstore": lambda compressed: (symstore(compressed),),
    "symstore_index2": lambda compressed: (symstore_index2(compressed),),
    "ssqp": lambda compressed: (ssqp(compressed),),
    "unified": lambda _: (UNIFIED,),
    "debuginfod": lambda _: (DEBUGINFOD,),
    "slashsymbols": lambda _: (SLASHSYMBOLS,),
}
"""Each is called with the order of compressed names; `by_code_id` costs one more request for each
missing module with a code id."""

SYMBOL_FILE_LAYOUTS: Final = frozenset({"debug_id", "debug_id+code_id", "breakpad"})
"""Layouts that have symbol files only."""

LAYOUT_IDS: Final[Mapping[str, str]] = {
    "debug_id": "by debug id",
    "debug_id+code_id": "by debug id, then by code file and code id",
    "breakpad": "by debug id",
    "native": "ELF by build id, PE by code id, others by debug id",
    "symstore": "ELF by build id, PE by code id, others by debug id",
    "symstore_index2": "ELF by build id, PE by code id, others by debug id",
    "ssqp": "ELF by build id, PE by code id, others by debug id",
    "unified": "ELF by build id, others by debug id",
    "debuginfod": "ELF by build id, nothing else",
    "slashsymbols": "by code file and code id",
}
"""What of a request each layout uses, for humans; a build id is a code id."""
