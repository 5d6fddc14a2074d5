"""Tokens, and how they are kept from being sent in plaintext to another machine."""

import ipaddress
import re

import grpc

from symbolon.errors import InvalidCredentialsError

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)
"""The characters of a bearer token in HTTP."""

_UNIX = ("unix:", "unix-abstract:")


def add_token(
    target: str, credentials: grpc.ChannelCredentials | None, token: str
) -> grpc.ChannelCredentials:
    """Return credentials that also send the token with each call.

    Without `credentials` the connection is in plaintext, and to this machine only; gRPC checks that
    again on the address that it has connected to. Raises `InvalidCredentialsError`.
    """
    sent_with_calls = call_credentials(token)
    if credentials is None:
        credentials = stay_on_this_machine(target)
    return grpc.composite_channel_credentials(credentials, sent_with_calls)


def call_credentials(token: str) -> grpc.CallCredentials:
    """Return credentials that send the token with a call; gRPC refuses them in plaintext.

    White space around the token, such as the newline at the end of a file, is stripped. Raises
    `InvalidCredentialsError`.
    """
    token = token.strip()
    if _TOKEN.fullmatch(token) is None:
        raise InvalidCredentialsError(
            "a token consists of letters, digits and ._~+/-, with = at its end; this one "
            + ("has other characters too" if token else "is empty")
        )
    return grpc.access_token_call_credentials(token)


def stay_on_this_machine(target: str) -> grpc.ChannelCredentials:
    """Return credentials for this machine only; raise `InvalidCredentialsError` for another."""
    if target.startswith(_UNIX):
        return grpc.local_channel_credentials(grpc.LocalConnectionType.UDS)
    addresses = target.removeprefix("ipv4:").removeprefix("ipv6:").split(",")
    if not all(map(_is_loopback, addresses)):
        raise InvalidCredentialsError(
            f"a token is not sent to {target} without TLS: others could read it on its way"
        )
    return grpc.local_channel_credentials(grpc.LocalConnectionType.LOCAL_TCP)


def _is_loopback(address: str) -> bool:
    """Return whether `host:port` is on this machine; names other than localhost may change."""
    host = address.rpartition(":")[0]
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False
