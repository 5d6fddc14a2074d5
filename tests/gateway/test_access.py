"""TLS and tokens over HTTP, with real certificates."""

import signal
import socket
import ssl
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.app.conftest import Program, StartProgram, wait_until
from tests.fixtures.certificates import Authority, Certificate, authority, other_authority
from tests.gateway.asking import EXPLAIN, ORCHARD, V5, Answer, await_http, get, post
from tests.rpc.access.protected import write_tokens

__all__ = ["authority", "other_authority"]

JOB = {"memoryMap": [ORCHARD], "stacks": [[[0, 4272]]]}
ASKER = "the-token-of-who-symbolicates"
OPERATOR = "the-token-of-who-operates-it"
FRAME = {"module": ORCHARD, "module_offset": 4272}
NO_TOKENS = f"Basic {ASKER}", "Bearer unknown"


def function_of(answer: Answer) -> str:
    assert answer.status == 200, answer
    return str(answer.content["results"][0]["stacks"][0][0]["function"])


def files_of(certificate: Certificate, authority: Authority) -> dict[str, str]:
    return {
        "tls_cert": str(certificate.chain),
        "tls_key": str(certificate.key),
        "http_server_name": "127.0.0.1",
        "http_server_ca": str(authority.file),
    }


@pytest.fixture
def tokens(tmp_path: Path) -> str:
    lines = ("asker", "symbolicate", ASKER), ("operator", "operate", OPERATOR)
    return str(write_tokens(tmp_path / "tokens", *lines))


def check_tokens(address: str, tls: ssl.SSLContext | None = None) -> None:
    """Requests need a token with the permission symbolicate, with or without Eliot's debug."""
    assert get(address, "/__heartbeat__", tls=tls).status == 200
    for path, document in ((V5, JOB), (EXPLAIN, FRAME)):
        for header in ({}, *({"Authorization": one} for one in NO_TOKENS)):
            refused = post(address, path, document, tls=tls, **header)
            assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
        denied = post(address, path, document, tls=tls, Authorization=f"Bearer {OPERATOR}")
        assert denied.status == 403
    explained = post(address, EXPLAIN, FRAME, tls=tls, Authorization=f"Bearer {ASKER}")
    assert (explained.status, explained.content["looked_up_offset"]) == (200, hex(4272))
    asked = post(address, V5, JOB, tls=tls, Authorization=f"Bearer {ASKER}", Debug="1")
    assert function_of(asked) == "_start"


def check_held_requests(address: str, tls: ssl.SSLContext) -> None:
    """A request is polled with the token that sent it, in whatever process."""
    module = {"type": "elf", "debug_file": "lost.so", "debug_id": "0123456789ABCDEF" * 2}
    frame = {"instruction_addr": "0x1", "addr_mode": "rel:0"}
    request = {"stacktraces": [{"frames": [frame]}], "modules": [module]}
    assert post(address, "/symbolicate", request, tls=tls).status == 401
    asker, operator = f"Bearer {ASKER}", f"Bearer {OPERATOR}"
    path = "/symbolicate?timeout=0"
    held = post(address, path, request, tls=tls, Authorization=asker).content["request_id"]
    path = f"/requests/{held}"
    assert get(address, path, tls=tls).status == 401
    assert get(address, path, tls=tls, Authorization=operator).status == 404
    for _ in range(4):
        polled = get(address, path, tls=tls, Authorization=asker).content
        assert polled["stacktraces"][0]["frames"][0]["status"] == "missing"


@pytest.mark.promise("The gateway answers no caller that gRPC refuses", group="access")
def test_tokens_are_required_with_tls_and_several_processes(
    serve: StartProgram, authority: Authority, tokens: str
) -> None:
    files = files_of(authority.issue("127.0.0.1"), authority)
    program = serve(
        http="127.0.0.1:0", listen="0.0.0.0:0", auth_tokens_file=tokens, processes="2", **files
    )
    address = await_http(program)
    check_tokens(address, ssl.create_default_context(cafile=str(authority.file)))
    check_held_requests(address, ssl.create_default_context(cafile=str(authority.file)))
    with pytest.raises((OSError, HTTPException)):
        get(address, "/__heartbeat__")
    assert ASKER not in program.log
    check_that_a_new_certificate_is_met(program, address, files, authority)


def check_that_a_new_certificate_is_met(
    program: Program, address: str, files: dict[str, str], authority: Authority
) -> None:
    """An invalid certificate is ignored until then."""
    tls = ssl.create_default_context(cafile=str(authority.file))
    tls.check_hostname = False
    before = served_certificate(address, tls)
    Path(files["tls_cert"]).write_text("no certificate")
    wait_until(lambda: "file_not_reloaded" in program.log)
    assert served_certificate(address, tls) == before
    other = authority.issue("127.0.0.2")
    Path(files["tls_key"]).write_bytes(other.key.read_bytes())
    Path(files["tls_cert"]).write_bytes(other.chain.read_bytes())
    wait_until(lambda: served_certificate(address, tls) != before)


def test_a_server_certificate_of_another_ca_is_trusted_once_that_ca_is_in_the_file(
    serve: StartProgram, tmp_path: Path, authority: Authority
) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.file.read_bytes())
    files = files_of(authority.issue("127.0.0.1"), authority) | {"http_server_ca": str(ca)}
    program = serve(http="127.0.0.1:0", **files)
    address = await_http(program)
    trusted = ssl.create_default_context(cafile=str(authority.file))
    assert function_of(post(address, V5, JOB, tls=trusted)) == "_start"
    new = Authority(tmp_path / "new")
    new.issue("127.0.0.1", into=authority)
    ca.write_bytes(new.file.read_bytes())
    program.process.send_signal(signal.SIGHUP)
    trusted = ssl.create_default_context(cafile=str(new.file))
    wait_until(lambda: is_healthy(address, trusted))
    for _ in range(8):  # each client's connection
        assert function_of(post(address, V5, JOB, tls=trusted)) == "_start"
    ca.write_text("no certificate")
    wait_until(lambda: f"cannot use {ca}" in program.log)
    assert is_healthy(address, trusted)


def is_healthy(address: str, tls: ssl.SSLContext) -> bool:
    try:
        return get(address, "/__heartbeat__", tls=tls).status == 200
    except OSError:
        return False


def served_certificate(address: str, tls: ssl.SSLContext) -> bytes | None:
    """Return the server's certificate in a new connection."""
    host, _, port = address.rpartition(":")
    with (
        socket.create_connection((host, int(port))) as connection,
        tls.wrap_socket(connection, server_hostname=host) as encrypted,
    ):
        return encrypted.getpeercert(binary_form=True)


def test_tokens_are_required_without_tls_on_loopback(serve: StartProgram, tokens: str) -> None:
    check_tokens(await_http(serve(http="127.0.0.1:0", auth_tokens_file=tokens)))


@pytest.mark.promise("The gateway answers no caller that gRPC refuses")
def test_only_clients_with_a_certificate_from_the_ca_are_answered(
    serve: StartProgram, authority: Authority, other_authority: Authority
) -> None:
    files = files_of(authority.issue("127.0.0.1"), authority)
    program = serve(http="127.0.0.1:0", tls_client_ca=str(authority.file), **files)
    address = await_http(program)
    for issuer in (None, other_authority):
        with pytest.raises(OSError):  # noqa: PT011 # at the handshake or after it
            post(address, V5, JOB, tls=trust(authority, issuer))
    assert function_of(post(address, V5, JOB, tls=trust(authority, authority))) == "_start"


def trust(authority: Authority, issuer: Authority | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.file))
    if issuer is not None:
        own = issuer.issue("client.example")
        context.load_cert_chain(own.chain, own.key)
    return context


def test_a_public_address_is_not_served_without_protection(serve: StartProgram) -> None:
    program = serve(http="0.0.0.0:0")
    assert program.process.wait(60) == 1
    assert "other machines can reach 0.0.0.0:0, and it has no protection" in program.log


def test_with_tls_the_server_name_is_required(serve: StartProgram, authority: Authority) -> None:
    files = files_of(authority.issue("127.0.0.1"), authority)
    del files["http_server_name"]
    program = serve(http="127.0.0.1:0", **files)
    assert program.process.wait(60) == 1
    assert "SYMBOLON_HTTP_SERVER_NAME" in program.log


def test_an_address_in_use_is_refused(serve: StartProgram, gateway: str) -> None:
    program = serve(http=gateway)
    assert program.process.wait(60) == 1
    assert f"cannot listen on {gateway}: address already in use" in program.log
