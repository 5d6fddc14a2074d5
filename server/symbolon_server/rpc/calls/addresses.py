"""The addresses that a server listens on."""

import errno
import ipaddress
import socket
from dataclasses import dataclass
from typing import Self

_MAX_PORT = 65_535


class ListenError(Exception):
    """The server cannot listen on an address; the text says why and how to fix it."""


class PortTakenError(ListenError):
    """The port is in use."""


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """A host and a TCP port; with port 0 the system chooses a free one."""

    host: str
    port: int

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
        """Return the text that `parse` takes."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def is_loopback(self) -> bool:
        """Return whether only this machine can reach the address; names are resolved."""
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except OSError:
            return False
        return all(ipaddress.ip_address(entry[4][0]).is_loopback for entry in found)


def check_port(listen: ListenAddress) -> None:
    """Raise `ListenError` if the port is in use or the host is not an address of this machine.

    gRPC's own error says neither.
    """
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
