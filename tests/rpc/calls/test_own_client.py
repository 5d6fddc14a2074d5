"""The gateway's clients: which are open after the files of TLS have changed."""

import shutil
from pathlib import Path

import pytest

from symbolon import Client, ClosedError, ServerUnreachableError
from symbolon_server.rpc.calls.addresses import ListenAddress
from symbolon_server.rpc.calls.own_client import OwnClients
from symbolon_server.rpc.calls.own_tls import OwnTls
from symbolon_server.rpc.calls.reloaded import UnusableFileError
from tests.fixtures.certificates import Authority, authority

__all__ = ["authority"]

TIMEOUT = 10.0
NOBODY = ListenAddress("127.0.0.1", 1)


@pytest.fixture
def tls(authority: Authority, tmp_path: Path) -> OwnTls:
    issued = authority.issue("own.example")
    ca = tmp_path / "ca.pem"
    shutil.copy(authority.file, ca)
    return OwnTls("own.example", ca, issued.chain, issued.key)


def is_open(client: Client) -> bool:
    try:
        client.is_serving(timeout=0.2)
    except ClosedError:
        return False
    except ServerUnreachableError:
        return True
    raise AssertionError("nobody answers there")


def test_clients_take_turns() -> None:
    with OwnClients(NOBODY, None, 3, TIMEOUT) as clients:
        taken = [clients.take() for _ in range(6)]
        assert taken[:3] == taken[3:]
        assert len(set(taken)) == 3
        assert clients.files is None
    assert not any(map(is_open, taken))


def test_a_replaced_client_stays_open_while_it_may_have_calls(tls: OwnTls) -> None:
    now = 0.0
    with OwnClients(NOBODY, tls, 1, TIMEOUT, clock=lambda: now) as clients:
        assert clients.files is not None
        taken = [clients.take()]
        for later in (100.0, 100.0 + TIMEOUT):
            now = later
            clients.files.read_again()
            taken.append(clients.take())
            assert all(map(is_open, taken))
        now += 0.1
        clients.files.read_again()
        assert [is_open(client) for client in taken] == [False, True, True]
        taken.append(clients.take())
    assert not any(map(is_open, taken))


def test_clients_are_kept_while_a_file_is_unusable(tls: OwnTls) -> None:
    with OwnClients(NOBODY, tls, 1, TIMEOUT) as clients:
        assert clients.files is not None
        assert tls.authority is not None
        before = clients.take()
        tls.authority.write_text("no certificate")
        clients.files.refresh()
        assert clients.take() is before
        with pytest.raises(UnusableFileError, match=r"cannot use .*ca\.pem"):
            OwnClients(NOBODY, tls, 1, TIMEOUT)
