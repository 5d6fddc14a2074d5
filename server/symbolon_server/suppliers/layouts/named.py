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
