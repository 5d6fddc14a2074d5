"""The layouts by the names that settings give them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from symbolon_server.suppliers.layouts.by_id import DEBUGINFOD, SLASHSYMBOLS, UNIFIED
from symbolon_server.suppliers.layouts.format_layout import FormatLayout
from symbolon_server.suppliers.layouts.layout import Layout, by_code_id, by_debug_id
from symbolon_server.suppliers.layouts.native import native
from symbolon_server.suppliers.layouts.symbol_servers import (
    Compressed,
    ssqp,
    symstore,
    symstore_index2,
)

DEFAULT_LAYOUT: Final = "debug_id"

_BY_CODE_ID: Final = FormatLayout({}, (by_code_id,), needs_code_file=True)
_ELF_AND_PE = "ELF by build id, PE by code id, others by debug id"

SYMBOL_FILE_LAYOUTS: Final = frozenset({"debug_id", "debug_id+code_id", "breakpad"})
"""Layouts that have symbol files only."""


class NamedLayout(NamedTuple):
    """A layout as settings name it."""

    ids: str
    """What of a request it uses, for humans; a build id is a code id."""

    make: Callable[[Compressed], Sequence[Layout]]
    """Called with the order of compressed names."""


NAMED_LAYOUTS: Final[Mapping[str, NamedLayout]] = {
    "debug_id": NamedLayout("by debug id", lambda _: (by_debug_id,)),
    # Costs one more request for each missing module with a code id.
    "debug_id+code_id": NamedLayout(
        "by debug id, then by code file and code id", lambda _: (by_debug_id, _BY_CODE_ID)
    ),
    "breakpad": NamedLayout("by debug id", lambda _: (by_debug_id,)),
    "native": NamedLayout(_ELF_AND_PE, lambda compressed: (native(compressed),)),
    "symstore": NamedLayout(_ELF_AND_PE, lambda compressed: (symstore(compressed),)),
    "symstore_index2": NamedLayout(_ELF_AND_PE, lambda compressed: (symstore_index2(compressed),)),
    "ssqp": NamedLayout(_ELF_AND_PE, lambda compressed: (ssqp(compressed),)),
    "unified": NamedLayout("ELF by build id, others by debug id", lambda _: (UNIFIED,)),
    "debuginfod": NamedLayout("ELF by build id, nothing else", lambda _: (DEBUGINFOD,)),
    "slashsymbols": NamedLayout("by code file and code id", lambda _: (SLASHSYMBOLS,)),
}
