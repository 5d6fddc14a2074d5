"""The protection that public addresses need."""

from pathlib import Path

import grpc
import pytest

from symbolon_server.rpc.access.protection import Protection, check_address
from symbolon_server.rpc.access.tokens import Tokens
from symbolon_server.rpc.calls.addresses import ListenAddress, ListenError
from tests.fixtures.certificates import Authority, authority
from tests.fixtures.networks import public_address
from tests.rpc.access.protected import (
    GET_MODULE,
    bearing,
    call,
    certificates_of,
    channel_to,
    serving,
    write_tokens,
)

__all__ = ["authority", "public_address"]

TOKEN = "pipeline-0123456789abcdef"
PUBLIC = ListenAddress("0.0.0.0", 0)  # noqa: S104 - only looked at


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    return Tokens(write_tokens(tmp_path / "tokens", ("pipeline", "symbolicate", TOKEN)))


@pytest.mark.promise(
    "A public address is not served without TLS and authentication", group="access"
)
def test_a_public_address_needs_tls_and_tokens_or_client_certificates(
    authority: Authority, tokens: Tokens
) -> None:
    own = authority.issue("127.0.0.1")
    tls, mutual_tls = certificates_of(own), certificates_of(own, authority)
    for protection, gap in (
        (Protection(), "it has no protection"),
        (Protection(tokens=tokens), "tokens are sent unencrypted"),
        (Protection(tls), "it needs neither tokens nor client certificates"),
    ):
        with pytest.raises(ListenError, match=gap) as caught:
            check_address(PUBLIC, protection)
        for way_out in ("127.0.0.1", "SYMBOLON_AUTH_TOKENS_FILE", "--allow-insecure-public"):
            assert way_out in str(caught.value)
    for enough in (
        Protection(tls, tokens),
        Protection(mutual_tls),
        Protection(mutual_tls, tokens),
        Protection(allow_insecure_public=True),
    ):
        check_address(PUBLIC, enough)


def test_loopback_needs_nothing(tokens: Tokens) -> None:
    for protection in (Protection(), Protection(tokens=tokens)):
        check_address(ListenAddress("127.0.0.1", 0), protection)


def test_the_protection_can_be_printed(authority: Authority, tokens: Tokens) -> None:
    mutual_tls = certificates_of(authority.issue("127.0.0.1"), authority)
    assert str(Protection(mutual_tls, tokens)) == "TLS, client certificates, 1 token"
    assert str(Protection()) == ""


def test_a_public_address_is_served_with_tls_and_tokens(
    authority: Authority, tokens: Tokens, public_address: str
) -> None:
    protection = Protection(certificates_of(authority.issue(public_address)), tokens)
    with (
        serving(protection, public_address) as address,
        channel_to(address, authority) as channel,
    ):
        assert call(channel, GET_MODULE, bearing(TOKEN)) is grpc.StatusCode.OK
        assert call(channel, GET_MODULE) is grpc.StatusCode.UNAUTHENTICATED
