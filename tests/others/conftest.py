"""Servers for others' clients: one with TLS, one without."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.app.conftest import SAMPLE, environment_in, starting
from tests.fixtures.certificates import Authority, authority, strange_authority
from tests.fixtures.symbol_server import ALL_PATHS, Answer, Ending, SymbolServer
from tests.others.clients import CLIENTS, Client

__all__ = ["authority", "strange_authority"]


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server is, and whom to trust there."""

    address: str
    ca: Path | None


@pytest.fixture(scope="session")
def stalling_supplier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a symbol server that takes requests and does not answer them."""
    with SymbolServer(tmp_path_factory.mktemp("stalling")) as supplier:
        supplier.answer(ALL_PATHS, Answer(ending=Ending.STALLED_AT_ONCE))
        yield supplier.url


@pytest.fixture(scope="session")
def secured(
    authority: Authority, stalling_supplier: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server with TLS, the sample's symbols, and a supplier that stalls for all others."""
    folder = tmp_path_factory.mktemp("secured")
    own = authority.issue("127.0.0.1")
    with starting(environment_in(folder), folder) as start:
        program = start(
            "serve",
            listen="127.0.0.1:0",
            suppliers=f"{SAMPLE / 'symbols'},{stalling_supplier}",
            tls_cert=str(own.chain),
            tls_key=str(own.key),
        )
        yield Server(program.await_address(), authority.file)


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without TLS, with the sample's symbols."""
    folder = tmp_path_factory.mktemp("plain")
    with starting(environment_in(folder), folder) as start:
        program = start("serve", listen="127.0.0.1:0", suppliers=str(SAMPLE / "symbols"))
        yield Server(program.await_address(), None)


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Client:
    """Each of the clients in turn."""
    return CLIENTS[request.param]
