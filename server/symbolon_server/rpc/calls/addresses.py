"""The addresses that a server listens on."""

import ipaddress
import socket
from dataclasses import dataclass
from typing import Self

_MAX_PORT = 65_535


class ListenError(Exception):
    """An address cannot be listened on; the text says why and how to fix it."""


class PortTakenError(ListenError):
    """Something listens there already."""


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """A host and a TCP port; port 0 lets the system choose a free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the address written `host:port` or `[IPv6]:port`; raise `ValueError`."""
        host, colon, port = text.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = str(ipaddress.IPv6Address(host[1:-1]))
        elif ":" in host:
            raise ValueError("an IPv6 address needs brackets")
        if not colon or not host or not (port.isascii() and port.isdigit()):
            raise ValueError("not host:port")
        if int(port) > _MAX_PORT:
            raise ValueError("no such port")
        return cls(host, int(port))

    def __str__(self) -> str:
        """Return the text that `parse` takes."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def is_loopback(self) -> bool:
        """Return whether only this machine can reach it; names are looked up."""
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except OSError:
            return False
        return all(ipaddress.ip_address(entry[4][0]).is_loopback for entry in found)
