"""The addresses that a server listens on."""

import errno
import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_MAX_PORT = 65_535
_SOCKET = "unix:"
"""How gRPC begins the address of a Unix socket."""


class ListenError(Exception):
    """The server cannot listen on an address; the text says why and how to fix it."""


class PortTakenError(ListenError):
    """The port is in use."""


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """A host and a TCP port; with port 0 the system chooses a free one. Or a Unix socket."""

    host: str
    port: int

    @classmethod
    def at_socket(cls, path: Path) -> Self:
        """Return the address of a Unix socket, for programs that can enter its folder."""
        return cls(f"{_SOCKET}{path}", 0)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the address in `host:port` or `[IPv6]:port`; raise `ValueError` for other text."""
        host, colon, port = text.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = str(ipaddress.IPv6Address(host[1:-1]))
        elif ":" in host:
            raise ValueError("an IPv6 address needs brackets")
        if not colon or not host or not (port.isascii() and port.isdigit()):
            raise ValueError("not host:port")
        if int(port) > _MAX_PORT:
            raise ValueError(f"the port is above {_MAX_PORT}")
        return cls(host, int(port))

    def __str__(self) -> str:
        """Return what gRPC takes, and `parse` unless it is a socket."""
        if self.is_socket:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_socket(self) -> bool:
        """Whether this is a Unix socket."""
        return self.host.startswith(_SOCKET)

    def is_loopback(self) -> bool:
        """Return whether only this machine can reach the address; names are resolved."""
        if self.is_socket:
            return True
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except OSError:
            return False
        return all(ipaddress.ip_address(entry[4][0]).is_loopback for entry in found)


def check_port(listen: ListenAddress) -> None:
    """Raise `ListenError` if the port is in use or the host is not an address of this machine.

    gRPC's own error says neither. A Unix socket has no port.
    """
    if listen.is_socket:
        return
    try:
        found = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _, address in found:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except OSError as error:
        reason = error.strerror or str(error)
        refusal = PortTakenError if error.errno == errno.EADDRINUSE else ListenError
        raise refusal(f"cannot listen on {listen}: {reason.lower()}") from error
