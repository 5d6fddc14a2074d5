"""TLS, mutual TLS and tokens, against real servers with real certificates."""

import asyncio
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from symbolon import (
    AsyncClient,
    Client,
    InvalidCredentialsError,
    NotAllowedError,
    ServerUnreachableError,
)
from symbolon.command_line.arguments import main
from symbolon.v1 import store_service_pb2
from tests.client.canned import CannedServer, start_canned_server
from tests.fixtures.certificates import Authority, Certificate, authority, other_authority
from tests.fixtures.networks import public_address

__all__ = ["authority", "other_authority", "public_address"]

TOKEN = "c3ltYm9sb24.token-of_a~test=="
ONCE = (("grpc.enable_retries", 0),)
"""For calls that must fail: retries would only take time."""


def serve_as(
    certificate: Certificate, client_authority: Authority | None = None, host: str = "127.0.0.1"
) -> Iterator[CannedServer]:
    """A server with this certificate; with a client CA it requires client certificates."""
    credentials = grpc.ssl_server_credentials(
        [(certificate.key.read_bytes(), certificate.chain.read_bytes())],
        client_authority.file.read_bytes() if client_authority else None,
        require_client_auth=client_authority is not None,
    )
    with start_canned_server(host, credentials) as canned:
        canned.answers = [lambda _, __: store_service_pb2.GetStoreInfoResponse(modules=3)]
        yield canned


@pytest.fixture
def plain(canned: CannedServer) -> CannedServer:
    canned.answers = [lambda _, __: store_service_pb2.GetStoreInfoResponse(modules=3)]
    return canned


@pytest.fixture
def tls(authority: Authority) -> Iterator[CannedServer]:
    yield from serve_as(authority.issue("127.0.0.1"))


@pytest.fixture
def mutual_tls(authority: Authority) -> Iterator[CannedServer]:
    yield from serve_as(authority.issue("127.0.0.1"), authority)


def trust(authority: Authority, own: Certificate | None = None) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        authority.file.read_bytes(),
        own.key.read_bytes() if own else None,
        own.chain.read_bytes() if own else None,
    )


def test_a_client_with_tls_is_answered_and_its_token_arrives(
    tls: CannedServer, authority: Authority
) -> None:
    with Client(tls.target, credentials=trust(authority), token=TOKEN) as client:
        assert client.get_store_info().modules == 3
    assert tls.authorizations == [f"Bearer {TOKEN}"]


def test_an_untrusted_server_does_not_get_the_token(
    tls: CannedServer, other_authority: Authority
) -> None:
    with (
        Client(tls.target, credentials=trust(other_authority), token=TOKEN, options=ONCE) as client,
        pytest.raises(ServerUnreachableError),
    ):
        client.get_store_info()
    assert tls.authorizations == []


def test_mutual_tls_accepts_clients_with_a_certificate(
    mutual_tls: CannedServer, authority: Authority
) -> None:
    own = authority.issue("pipeline.example")
    with Client(mutual_tls.target, credentials=trust(authority, own)) as client:
        assert client.get_store_info().modules == 3
    with (
        Client(mutual_tls.target, credentials=trust(authority), options=ONCE) as client,
        pytest.raises(ServerUnreachableError),
    ):
        client.get_store_info()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_token_goes_to_this_machine_without_tls(plain: CannedServer, host: str) -> None:
    with Client(plain.target.replace("127.0.0.1", host), token=TOKEN) as client:
        client.get_store_info()
    assert plain.authorizations == [f"Bearer {TOKEN}"]


def test_clients_with_different_tokens_share_a_connection(plain: CannedServer) -> None:
    local = grpc.local_channel_credentials(grpc.LocalConnectionType.LOCAL_TCP)
    with Client(plain.target, credentials=local) as client:
        for asking in (client.with_token(TOKEN), client.with_token(TOKEN[1:]), client):
            assert asking.channel is client.channel
            asking.get_store_info()
    assert plain.authorizations == [f"Bearer {TOKEN}", f"Bearer {TOKEN[1:]}", ""]


def test_a_token_for_a_call_is_not_sent_to_another_machine_in_plaintext(
    plain: CannedServer,
) -> None:
    with Client(plain.target, options=ONCE) as client, pytest.raises(NotAllowedError):
        client.with_token(TOKEN).get_store_info()
    assert plain.authorizations == []


def test_a_malformed_token_is_refused_for_a_call_too(plain: CannedServer) -> None:
    with Client(plain.target) as client, pytest.raises(InvalidCredentialsError):
        client.with_token("two words")


def test_the_asyncio_client_sends_tokens_for_calls_too(plain: CannedServer) -> None:
    async def ask() -> None:
        local = grpc.local_channel_credentials(grpc.LocalConnectionType.LOCAL_TCP)
        async with AsyncClient(plain.target, credentials=local) as client:
            await client.with_token(TOKEN).get_store_info()

    asyncio.run(ask())
    assert plain.authorizations == [f"Bearer {TOKEN}"]


def test_without_a_token_none_is_sent(plain: CannedServer) -> None:
    with Client(plain.target) as client:
        client.get_store_info()
    assert plain.authorizations == [""]


@pytest.mark.promise("The client sends no token where others could read it", group="access")
@pytest.mark.parametrize(
    "target",
    [
        "192.0.2.7:50051",
        "symbols.example:50051",
        "[2001:db8::1]:50051",
        "dns:///127.0.0.1.example:1",
        "ipv4:127.0.0.1:1,192.0.2.7:1",
        "ipv6:[::1]:1,[2001:db8::1]:1",
        "localhost.example:1",
        "127.0.0.1.example:50051",
    ],
)
def test_a_token_is_never_sent_elsewhere_without_tls(target: str) -> None:
    with pytest.raises(InvalidCredentialsError, match="without TLS") as caught:
        Client(target, token=TOKEN)
    assert TOKEN not in str(caught.value)


@pytest.mark.promise("The client sends no token where others could read it")
def test_credentials_without_encryption_do_not_carry_a_token_elsewhere(public_address: str) -> None:
    """The last check is gRPC's own, on the address that it has connected to."""
    with start_canned_server(public_address) as canned:
        canned.answers = [lambda _, __: store_service_pb2.GetStoreInfoResponse()]
        local = grpc.local_channel_credentials()
        with (
            Client(canned.target, credentials=local, token=TOKEN, options=ONCE) as client,
            pytest.raises(ServerUnreachableError, match="loopback"),
        ):
            client.get_store_info()
    assert canned.authorizations == []


class _Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = True
    connections = 0

    def verify_request(self, request: object, client_address: object) -> bool:
        self.connections += 1
        return False


@pytest.fixture
def proxy() -> Iterator[_Proxy]:
    """A proxy on this machine that counts and rejects all connections."""
    with _Proxy(("127.0.0.1", 0), socketserver.BaseRequestHandler) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.01,))
        thread.start()
        yield proxy
        proxy.shutdown()
        thread.join()


@pytest.mark.promise("The client sends no token where others could read it")
def test_a_token_without_tls_does_not_go_through_a_proxy(
    plain: CannedServer, proxy: _Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("grpc_proxy", f"http://127.0.0.1:{proxy.server_address[1]}")
    with Client(plain.target, token=TOKEN) as client:
        client.get_store_info()
    assert proxy.connections == 0
    with Client(plain.target, options=ONCE) as client, pytest.raises(ServerUnreachableError):
        client.get_store_info()
    assert proxy.connections > 0


@pytest.mark.parametrize("token", ["hunter 2", "hunter\n2", "hünter2", "==hunter2"])
def test_a_token_that_no_header_can_hold_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(InvalidCredentialsError, match="this one has other characters") as caught:
        Client("127.0.0.1:1", token=token)
    assert "nter" not in str(caught.value)


def test_an_empty_token_is_refused() -> None:
    with pytest.raises(InvalidCredentialsError, match="this one is empty"):
        Client("127.0.0.1:1", token="\n")


def test_the_newline_at_the_end_of_a_token_file_is_stripped(plain: CannedServer) -> None:
    with Client(plain.target, token=f"{TOKEN}\n") as client:
        client.get_store_info()
    assert plain.authorizations == [f"Bearer {TOKEN}"]


def test_the_program_uses_mutual_tls_and_the_token_of_a_file(
    mutual_tls: CannedServer,
    authority: Authority,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    own = authority.issue("pipeline.example")
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    flags = [f"--tls-ca={authority.file}", f"--tls-cert={own.chain}", f"--tls-key={own.key}"]
    assert main(["info", f"--target={mutual_tls.target}", *flags, f"--token-file={file}"]) == 0
    assert "3 modules" in capsys.readouterr().out
    assert mutual_tls.authorizations == [f"Bearer {TOKEN}"]


def test_the_program_accepts_a_certificate_for_the_name_of_the_flag(
    authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    for canned in serve_as(authority.issue("symbols.example")):
        flags = [f"--target={canned.target}", f"--tls-ca={authority.file}", "--timeout=5"]
        assert main(["info", *flags, "--tls-name=symbols.example"]) == 0
        assert main(["info", *flags]) == 1
        assert "cannot reach" in capsys.readouterr().err


def test_the_asyncio_client_uses_tls_and_sends_its_token(
    tls: CannedServer, plain: CannedServer, authority: Authority
) -> None:
    async def ask(server: CannedServer, credentials: grpc.ChannelCredentials | None) -> None:
        async with AsyncClient(server.target, credentials=credentials, token=TOKEN) as client:
            assert (await client.get_store_info()).modules == 3
        assert server.authorizations == [f"Bearer {TOKEN}"]

    asyncio.run(ask(tls, trust(authority)))
    asyncio.run(ask(plain, None))
    with pytest.raises(InvalidCredentialsError, match="without TLS"):
        asyncio.run(ask(CannedServer("192.0.2.7:50051"), None))


def test_a_token_goes_to_several_servers_of_this_machine_without_tls(plain: CannedServer) -> None:
    with (
        start_canned_server() as other,
        Client([plain.target, other.target], token=TOKEN) as client,
    ):
        other.answers = plain.answers
        client.get_store_info()
    assert plain.authorizations + other.authorizations == [f"Bearer {TOKEN}"]


def test_the_program_sends_the_token_of_its_environment(
    plain: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYMBOLON_TOKEN", TOKEN)
    assert main(["info", f"--target={plain.target}"]) == 0
    assert plain.authorizations == [f"Bearer {TOKEN}"]


def test_the_program_explains_unusable_credentials(
    authority: Authority, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own, other = authority.issue("one.example"), authority.issue("other.example")
    rubbish = tmp_path / "rubbish"
    rubbish.write_text("no PEM")
    for flags, complaint in (
        (["--tls-ca=/nowhere/ca.pem"], "cannot read /nowhere/ca.pem: No such file"),
        ([f"--tls-ca={rubbish}"], f"cannot use {rubbish}"),
        ([f"--tls-cert={own.chain}"], "--tls-cert and --tls-key go together"),
        ([f"--tls-cert={own.chain}", f"--tls-key={other.key}"], "mismatch"),
        (["--token-file=/nowhere/token"], "cannot read /nowhere/token: No such file"),
        ([f"--token-file={authority.file}"], "this one has other characters"),
    ):
        assert main(["info", "--target=127.0.0.1:1", *flags]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert complaint in line


def test_a_token_in_the_environment_is_not_sent_elsewhere_without_tls(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SYMBOLON_TOKEN", TOKEN)
    assert main(["info", "--target=symbols.example:50051"]) == 2
    assert "without TLS" in capsys.readouterr().err
