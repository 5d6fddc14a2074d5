"""A gateway whose server fetches the modules of `modules.py`."""

from collections.abc import Iterator

import pytest

from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.app.conftest import environment_in, starting
from tests.fixtures.symbol_server import Answer, SymbolServer
from tests.gateway.asking import await_http
from tests.gateway.peers.modules import FAILING, SYMBOL_FILES

ORIGIN = "https://pages.example.com"
"""The web pages that may call the gateway."""


@pytest.fixture(scope="module")
def supplier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SymbolServer]:
    """The symbol server."""
    with SymbolServer(tmp_path_factory.mktemp("supplier")) as server:
        for (debug_file, debug_id), text in SYMBOL_FILES.items():
            server.put(ModuleId(debug_file, debug_id), text.encode())
        failing = server.path_of(ModuleId(*FAILING))
        server.answer(failing, Answer(b"down", status=501))  # a status that is not retried
        yield server


@pytest.fixture(scope="module")
def peer(supplier: SymbolServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the gateway."""
    folder = tmp_path_factory.mktemp("peer")
    with starting(environment_in(folder), folder) as start:
        program = start(
            "serve",
            *("--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"),
            suppliers=supplier.url,
            http_origins=ORIGIN,
        )
        yield await_http(program)
        assert "Traceback" not in program.log
