"""Servers for third-party clients: one with authentication, one without."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from symbolon_server.rpc.access.tokens import hash_token
from tests.app.conftest import SAMPLE, environment_in, starting
from tests.fixtures.certificates import Authority, authority, other_authority
from tests.fixtures.symbol_server import ALL_PATHS, Answer, Ending, SymbolServer
from tests.others.clients import CLIENTS, Access, Client

__all__ = ["authority", "other_authority"]


TOKEN = "pipeline-0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Server:
    """The address of a server, and the credentials for it."""

    address: str
    access: Access | None


@pytest.fixture(scope="session")
def stalling_supplier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a symbol server that accepts requests and never answers."""
    with SymbolServer(tmp_path_factory.mktemp("stalling")) as supplier:
        supplier.answer(ALL_PATHS, Answer(ending=Ending.STALLED_AT_ONCE))
        yield supplier.url


@pytest.fixture(scope="session")
def secured(
    authority: Authority, stalling_supplier: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server with the sample's symbols, and a supplier that stalls for all other modules.

    It answers who has a certificate and a token, which is good for asking only.
    """
    folder = tmp_path_factory.mktemp("secured")
    own = authority.issue("127.0.0.1")
    tokens = folder / "tokens"
    tokens.write_text(f"pipeline symbolicate {hash_token(TOKEN)}\n")
    with starting(environment_in(folder), folder) as start:
        program = start(
            "serve",
            listen="127.0.0.1:0",
            suppliers=f"{SAMPLE / 'symbols'},{stalling_supplier}",
            tls_cert=str(own.chain),
            tls_key=str(own.key),
            tls_client_ca=str(authority.file),
            auth_tokens_file=str(tokens),
            deadline_margin_seconds="1.5",  # the machine may have other things to do as well
        )
        access = Access(authority.file, authority.issue("client.example"), TOKEN)
        yield Server(program.await_address(), access)


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
