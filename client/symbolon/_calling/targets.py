"""The addresses of one server, or of several that share the load."""

import ipaddress
import re
from collections.abc import Sequence

from symbolon.errors import InvalidTargetError

DEFAULT_PORT = 50051
DEFAULT_TARGET = f"127.0.0.1:{DEFAULT_PORT}"

_ADDRESS = re.compile(r"((?:dns|ipv4|ipv6):(?://[^/]*/)?|)(.*)", re.ASCII | re.DOTALL)
"""Hosts, with an optional scheme whose hosts have ports."""

_OTHER_SCHEME = re.compile(r"(?:unix|unix-abstract|vsock|xds):", re.ASCII)


def join_targets(target: str | Sequence[str]) -> str:
    """Return gRPC's target for one or several addresses; raise `InvalidTargetError`.

    A single address is anything that gRPC accepts: `host:port`, `dns:///host:port`, `unix:/path`.
    Several must be IP addresses of one version: gRPC resolves one name only, which may have several
    addresses. The default port is 50051, not gRPC's own 443.
    """
    addresses = [target] if isinstance(target, str) else list(target)
    if len(addresses) == 1:
        return _add_port(addresses[0])
    versions = {_read_version(address) for address in addresses}
    if len(versions) != 1:
        raise InvalidTargetError(
            f"{', '.join(addresses) or 'nothing'} are not addresses of one kind"
        )
    return f"ipv{versions.pop()}:{','.join(map(_add_port, addresses))}"


def _add_port(address: str) -> str:
    """Return the address, with the default port if it has none."""
    if _OTHER_SCHEME.match(address):
        return address
    found = _ADDRESS.fullmatch(address)
    scheme, hosts = found.groups() if found else ("", address)
    if "://" in hosts:
        raise InvalidTargetError(f"{address} is a URL: give host:port alone")
    return scheme + ",".join(map(_add_port_to_host, hosts.split(",")))


def _add_port_to_host(host: str) -> str:
    if _is_version_6(host):
        return f"[{host}]:{DEFAULT_PORT}"
    if not host or host.endswith(":"):
        raise InvalidTargetError(f"{host!r} is not an address: give host:port")
    return host if ":" in host.rpartition("]")[2] else f"{host}:{DEFAULT_PORT}"


def _is_version_6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6  # noqa: PLR2004 # of IP
    except ValueError:
        return False


def _read_version(address: str) -> int:
    host = _add_port(address).rpartition(":")[0]
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).version
    except ValueError:
        raise InvalidTargetError(
            f"{address} is not an IP address, as each of several addresses must be: gRPC resolves "
            "one name only, which may have several addresses"
        ) from None
