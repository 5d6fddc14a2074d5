"""Fetches one module from one supplier."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from symbolon_server.suppliers.contents.errors import MissingSymbolFileError
from symbolon_server.suppliers.contents.supplier import Supplier, SymbolFileStream
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId

TEXT = b"MODULE windows x86_64 44E4EC8C2F41492B9369D6B9A059577C2 xul.pdb\nPUBLIC 10 0 start\n"


@contextmanager
def opened(supplier: Supplier, asked: AskedModule) -> Iterator[SymbolFileStream]:
    """Yield the first of the supplier's candidates that is not missing.

    Raises the last `MissingSymbolFileError` if all are, and any other error at once.
    """
    missing = MissingSymbolFileError(supplier.lacks(asked))
    with ExitStack() as stack:
        for candidate in supplier.candidates(asked):
            try:
                stream = stack.enter_context(supplier.fetch(candidate))
            except MissingSymbolFileError as error:
                missing = error
            else:
                yield stream
                return
        raise missing


def fetch(supplier: Supplier, module_id: ModuleId) -> bytes:
    with opened(supplier, AskedModule(module_id)) as stream:
        return b"".join(stream)
