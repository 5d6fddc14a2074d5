"""TLS and client certificates, on a real server with real certificates."""

import socket
from pathlib import Path

import grpc
import pytest

from symbolon_server.rpc.access.protection import Certificates, Protection, TlsFiles
from symbolon_server.rpc.calls.reloaded import UnusableFileError
from tests.fixtures.certificates import Authority, authority, other_authority
from tests.rpc.access.protected import (
    GET_MODULE,
    HEALTH_CHECK,
    call,
    certificates_of,
    channel_to,
    serving,
)

__all__ = ["authority", "other_authority"]

OK = grpc.StatusCode.OK
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


@pytest.fixture
def changing(tmp_path: Path) -> Authority:
    """A CA whose files the test may overwrite."""
    return Authority(tmp_path / "changing")


def test_a_client_that_trusts_the_authority_is_answered(authority: Authority) -> None:
    protection = Protection(certificates_of(authority.issue("127.0.0.1")))
    with serving(protection) as address, channel_to(address, authority) as channel:
        assert call(channel, GET_MODULE) is OK
        assert call(channel, HEALTH_CHECK) is OK


def test_clients_without_tls_or_with_another_ca_fail_to_connect(
    authority: Authority, other_authority: Authority
) -> None:
    protection = Protection(certificates_of(authority.issue("127.0.0.1")))
    with serving(protection) as address:
        for trusted in (None, other_authority):
            with channel_to(address, trusted) as channel:
                assert call(channel, GET_MODULE) is UNAVAILABLE


@pytest.mark.promise("Connections that do not complete the handshake are closed", group="access")
def test_a_connection_without_a_handshake_is_closed(authority: Authority) -> None:
    protection = Protection(certificates_of(authority.issue("127.0.0.1")))
    with (
        serving(protection, handshake_seconds=0.2) as address,
        socket.create_connection((address.host, address.port)) as silent,
    ):
        silent.settimeout(20)
        assert silent.recv(1) == b""


@pytest.mark.promise("Clients without a certificate from the configured CA are not served")
def test_only_clients_with_a_certificate_from_the_ca_are_served(
    authority: Authority, other_authority: Authority
) -> None:
    certificates = certificates_of(authority.issue("127.0.0.1"), authority)
    with serving(Protection(certificates)) as address:
        for own, expected in (
            (authority.issue("pipeline.example"), OK),
            (other_authority.issue("pipeline.example"), UNAVAILABLE),
            (None, UNAVAILABLE),
        ):
            with channel_to(address, authority, own) as channel:
                assert call(channel, GET_MODULE) is expected
                assert call(channel, HEALTH_CHECK) is expected


@pytest.mark.promise("Certificates and tokens are reloaded; invalid files change nothing")
def test_a_new_connection_gets_the_new_certificate_and_an_old_one_goes_on(
    changing: Authority, tmp_path: Path
) -> None:
    certificates = certificates_of(changing.issue("127.0.0.1"))
    with serving(Protection(certificates)) as address, channel_to(address, changing) as old:
        assert call(old, GET_MODULE) is OK
        successor = Authority(tmp_path / "successor")
        successor.issue("127.0.0.1", into=changing)
        with channel_to(address, successor) as new, channel_to(address, changing) as late:
            assert call(new, GET_MODULE) is OK
            assert call(late, GET_MODULE) is UNAVAILABLE
        assert call(old, GET_MODULE) is OK


def test_a_new_client_ca_applies_to_new_connections(changing: Authority, tmp_path: Path) -> None:
    certificates = certificates_of(changing.issue("127.0.0.1"), changing)
    own = changing.issue("pipeline.example")
    trusted = Authority(tmp_path / "kept")
    trusted.file.write_bytes(changing.file.read_bytes())
    with serving(Protection(certificates)) as address:
        with channel_to(address, trusted, own) as channel:
            assert call(channel, GET_MODULE) is OK
        successor = Authority(tmp_path / "successor")
        changing.file.write_bytes(successor.file.read_bytes())
        with channel_to(address, trusted, own) as channel:
            assert call(channel, GET_MODULE) is UNAVAILABLE
        with channel_to(address, trusted, successor.issue("pipeline.example")) as channel:
            assert call(channel, GET_MODULE) is OK


@pytest.mark.promise("Certificates and tokens are reloaded; invalid files change nothing")
def test_a_certificate_whose_key_is_missing_is_logged_and_ignored(
    changing: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = changing.issue("127.0.0.1")
    next_ = Authority(tmp_path / "successor").issue("127.0.0.1")
    with serving(Protection(certificates_of(own))) as address:
        own.chain.write_bytes(next_.chain.read_bytes())
        for _ in range(2):
            with channel_to(address, changing) as channel:
                assert call(channel, GET_MODULE) is OK
        assert [record.getMessage() for record in caplog.records] == ["file_not_reloaded"]
        own.key.write_bytes(next_.key.read_bytes())
        with channel_to(address, changing) as channel:
            assert call(channel, GET_MODULE) is UNAVAILABLE


def test_files_that_cannot_be_used_are_refused_with_their_names(
    authority: Authority, tmp_path: Path
) -> None:
    own, other = authority.issue("127.0.0.1"), authority.issue("other.example")
    rubbish = tmp_path / "rubbish"
    rubbish.write_text("no PEM")
    nowhere = tmp_path / "nowhere"
    for files, names in (
        (TlsFiles(nowhere, own.key), (nowhere, "No such file")),
        (TlsFiles(own.chain, nowhere), (nowhere, "No such file")),
        (TlsFiles(own.chain, own.key, nowhere), (nowhere, "No such file")),
        (TlsFiles(own.chain, other.key), (own.chain, other.key, "mismatch")),
        (TlsFiles(rubbish, own.key), (rubbish,)),
        (TlsFiles(own.chain, own.key, rubbish), (rubbish,)),
    ):
        with pytest.raises(UnusableFileError) as caught:
            Certificates(files)
        assert [str(name) for name in names if str(name) not in str(caught.value)] == []
