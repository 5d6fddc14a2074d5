"""Addresses of one server, or of several that share the calls."""

import ipaddress
from collections.abc import Sequence

DEFAULT_TARGET = "127.0.0.1:50051"


def join_targets(target: str | Sequence[str]) -> str:
    """Return what gRPC takes for one or several addresses; raise `ValueError`.

    A single address is anything that gRPC knows: `host:port`, `dns:///host:port`, `unix:/path`.
    Of several each must be a number and a port, all of one version of IP: gRPC asks DNS for one
    name only, which may have several addresses.
    """
    addresses = [target] if isinstance(target, str) else list(target)
    if len(addresses) == 1:
        return addresses[0]
    versions = {_read_version(address) for address in addresses}
    if len(versions) != 1:
        raise ValueError(f"{', '.join(addresses) or 'nothing'} are not addresses of one kind")
    return f"ipv{versions.pop()}:{','.join(addresses)}"


def _read_version(address: str) -> int:
    host, colon, port = address.rpartition(":")
    try:
        if not (colon and port.isdecimal()):
            raise ValueError("no port")
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).version
    except ValueError:
        raise ValueError(
            f"{address} is not an IP address with a port, as each of several addresses must be"
        ) from None
