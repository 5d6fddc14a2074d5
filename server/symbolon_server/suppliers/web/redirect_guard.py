"""Protects internal addresses from the redirects of symbol servers."""

import mmap
import socket
from collections.abc import Callable
from enum import IntEnum
from ipaddress import ip_address
from typing import Any

import requests.adapters
import urllib3

from symbolon_server.suppliers.contents.errors import UnavailableSymbolFileError
from symbolon_server.suppliers.web.public_addresses import is_public
from symbolon_server.suppliers.web.urls import ServerUrl


class _Side(IntEnum):
    """Where a symbol server is, according to the addresses of connections to it."""

    UNKNOWN = 0
    INSIDE = 1
    PUBLIC = 2


class RedirectGuard:
    """Refuses addresses that are not public, unless the symbol server itself is inside.

    Otherwise a symbol server could redirect us to services of this machine or its network, such as
    a cloud's metadata (SSRF). A server is inside if the first connection to it went to an address
    that is not public, and none to a public one since. Resolving its name would not do: the answer
    may differ each time.
    """

    def __init__(self, own: ServerUrl, is_public: Callable[[str], bool] = is_public) -> None:
        self._own = own
        self._is_public = is_public
        # Shared with forks, each of which runs one ingest.
        self._side = mmap.mmap(-1, 1)
        address = _address_in(own)
        if address is not None:  # known even if a proxy makes the connections
            self.check_own_address(address)

    def check_target(self, target: ServerUrl) -> None:
        """Raise `UnavailableSymbolFileError` if the target's name resolves to a refused address.

        If a proxy makes the connection, no other check is possible.
        """
        if not target.has_origin_of(self._own):
            for address in _resolve(target):
                self.check_address(address)

    def check_address(self, address: str) -> None:
        """Raise `UnavailableSymbolFileError` for a refused address."""
        if not self._is_public(address) and self._side[0] != _Side.INSIDE:
            raise UnavailableSymbolFileError("redirects to an address that is not public")

    def check_own_address(self, address: str) -> None:
        """Note the address of a connection to the symbol server itself.

        Raises `UnavailableSymbolFileError` if the name of a public server now resolves to an
        address that is not public.
        """
        if self._is_public(address):
            self._side[0] = _Side.PUBLIC
        elif self._side[0] == _Side.PUBLIC:
            raise UnavailableSymbolFileError(
                "had a public address before and now has a private one; "
                "restart the worker if that is intended"
            )
        else:
            self._side[0] = _Side.INSIDE


def _address_in(url: ServerUrl) -> str | None:
    """Return the address in a URL, or None for a name."""
    try:
        return str(ip_address(url.bare_host))
    except ValueError:
        return None


def _resolve(url: ServerUrl) -> list[str]:
    """Return the addresses of a host, or none if its name cannot be resolved here."""
    try:
        found = socket.getaddrinfo(url.bare_host, url.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [str(entry[4][0]) for entry in found]


class GuardedAdapter(requests.adapters.HTTPAdapter):
    """Passes the peer address of each connection to `check` before anything is sent.

    A name may resolve to another address between a lookup and the connection.
    """

    def __init__(self, check: Callable[[str], None]) -> None:
        self._check = check
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Create pools of checked connections; those to a proxy are created elsewhere."""
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
