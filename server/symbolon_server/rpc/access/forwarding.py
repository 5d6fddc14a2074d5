"""Names the callers of the HTTP gateway.

All calls of the gateway come from this machine. Without tokens they would all count as one
caller's. So it forwards the address of its caller, and proves itself with a secret.
"""

import hmac
import secrets
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final

FORWARDED_KEY: Final = "symbolon-forwarded"
"""Metadata of a forwarded call: the secret, a space, and the address of the caller."""

SECRET_VARIABLE: Final = "_SYMBOLON_GATEWAY_SECRET"  # noqa: S105 # its name
"""The environment variable that holds the secret; `serve` sets it for its own processes."""


def make_secret() -> str:
    """Return a new secret."""
    return secrets.token_urlsafe(32)


def forward(secret: str, host: str) -> tuple[str, str]:
    """Return the metadata that names the caller by its IP address."""
    return FORWARDED_KEY, f"{secret} {_name_as_grpc(host)}"


def find_forwarded(secret: str, metadata: Iterable[tuple[str, str | bytes]] | None) -> str:
    """Return the caller that a call is made for, as gRPC names peers, without the port.

    Return an empty string if the metadata names none or lacks the secret, and always if `secret`
    is empty.
    """
    for key, value in metadata or ():
        if secret and key == FORWARDED_KEY and isinstance(value, str):
            given, _, address = value.partition(" ")
            if hmac.compare_digest(given.encode(), secret.encode()):
                return address
    return ""


@lru_cache
def _name_as_grpc(host: str) -> str:
    address = ip_address(host)
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return f"ipv6:%5B{address}%5D"
        address = address.ipv4_mapped
    return f"ipv4:{address}"
