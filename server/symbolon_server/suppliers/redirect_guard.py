"""Keeps a symbol server's redirects away from addresses that only insiders reach."""

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

import requests.adapters
import urllib3

from symbolon_server.suppliers.errors import UnavailableSymbolFileError
from symbolon_server.suppliers.urls import ServerUrl

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Return whether everybody on the internet may mean the same by this IP address."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


class RedirectGuard:
    """Refuses addresses that are not public, unless the symbol server has only such ones itself.

    Otherwise any server that is asked for symbols could have us ask what is meant for this
    machine or its network alone, such as a cloud's metadata.
    """

    def __init__(self, own: ServerUrl, is_public: Callable[[str], bool] = is_public) -> None:
        self._own = own
        self._is_public = is_public

    def check_target(self, target: ServerUrl) -> None:
        """Raise `UnavailableSymbolFileError` if the target's name stands for such an address.

        Where a proxy makes the connection, this is all that can be looked at.
        """
        if not target.has_origin_of(self._own):
            for address in _resolve(target):
                self.check_address(address)

    def check_address(self, address: str) -> None:
        """Raise `UnavailableSymbolFileError` for such an address."""
        if not self._is_public(address) and not self._is_inside():
            raise UnavailableSymbolFileError("redirects to an address that is not public")

    def _is_inside(self) -> bool:
        """Return whether the symbol server itself has private addresses, and no other."""
        addresses = _resolve(self._own)
        return bool(addresses) and not any(map(self._is_public, addresses))


def _resolve(url: ServerUrl) -> list[str]:
    """Return the addresses of a host; none when its name is not known here."""
    try:
        found = socket.getaddrinfo(url.bare_host, url.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [str(entry[4][0]) for entry in found]


class GuardedAdapter(requests.adapters.HTTPAdapter):
    """Makes connections whose other end `check` has seen before anything is sent.

    What a name stands for may change between a look at it and the connection.
    """

    def __init__(self, check: Callable[[str], None]) -> None:
        self._check = check
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Make pools of such connections; those to a proxy are made elsewhere."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _guarded(urllib3.HTTPConnectionPool, self._check),
            "https": _guarded(urllib3.HTTPSConnectionPool, self._check),
        }


def _guarded(
    pool: type[urllib3.HTTPConnectionPool], check: Callable[[str], None]
) -> type[urllib3.HTTPConnectionPool]:
    base: Any = pool.ConnectionCls

    class Connection(base):  # type: ignore[misc] # one of urllib3's two kinds
        def _new_conn(self) -> socket.socket:
            connected: socket.socket = super()._new_conn()
            try:
                check(connected.getpeername()[0])
            except BaseException:
                connected.close()
                raise
            return connected

    return type(pool.__name__, (pool,), {"ConnectionCls": Connection})
