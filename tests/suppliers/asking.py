"""Fetches one module from one supplier."""

from symbolon_server.suppliers.web.http import HttpSupplier
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId

TEXT = b"MODULE windows x86_64 44E4EC8C2F41492B9369D6B9A059577C2 xul.pdb\nPUBLIC 10 0 start\n"


def fetch(supplier: HttpSupplier, module_id: ModuleId) -> bytes:
    with supplier.fetch(AskedModule(module_id)) as stream:
        return b"".join(stream)
