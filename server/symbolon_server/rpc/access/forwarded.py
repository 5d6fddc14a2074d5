"""Callers for whom the HTTP gateway calls: it tells their address, and is believed by a secret.

All its calls come from this machine; without tokens they would all be one caller's.
"""

import hmac
import secrets
from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address
from typing import Final

FORWARDED_KEY: Final = "symbolon-forwarded"
"""Metadata of a forwarded call: the secret, a space, and the address of the caller."""

SECRET_VARIABLE: Final = "_SYMBOLON_GATEWAY_SECRET"  # noqa: S105 # its name
"""In the environment of the programs that share the secret; `serve` sets it for its own."""


def make_secret() -> str:
    """Return a new secret."""
    return secrets.token_urlsafe(32)


def forward(secret: str, host: str) -> tuple[str, str]:
    """Return the metadata that tells who calls, an address of TCP."""
    return FORWARDED_KEY, f"{secret} {_name_as_grpc(host)}"


def find_forwarded(secret: str, metadata: Iterable[tuple[str, str | bytes]] | None) -> str:
    """Return for whom a call is made, named as gRPC names peers without their port.

    Empty where it does not say, or does not know the secret. An empty secret is never known.
    """
    for key, value in metadata or ():
        if secret and key == FORWARDED_KEY and isinstance(value, str):
            given, _, address = value.partition(" ")
            if hmac.compare_digest(given.encode(), secret.encode()):
                return address
    return ""


def _name_as_grpc(host: str) -> str:
    address = ip_address(host)
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return f"ipv6:%5B{address}%5D"
        address = address.ipv4_mapped
    return f"ipv4:{address}"
