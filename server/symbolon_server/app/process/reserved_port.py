"""A port that is ours before anybody serves on it."""

import socket

from symbolon_server.app.process.errors import StartError
from symbolon_server.rpc.calls.addresses import ListenAddress, ListenError
from symbolon_server.rpc.serving.server import check_port


def reserve(listen: ListenAddress) -> tuple[socket.socket, ListenAddress]:
    """Take the port without listening, so that nobody else gets it while a process restarts.

    Every process that shares a port says so; one without that wish is refused, and so are we
    by a server that has the port alone. Raises `StartError`.
    """
    try:
        check_port(listen)
        port = bind_shared(listen)
    except (ListenError, OSError) as error:
        raise StartError(str(error)) from error
    return port, ListenAddress(listen.host, port.getsockname()[1])


def bind_shared(listen: ListenAddress) -> socket.socket:
    """Return a socket bound to a port that others of ours may be bound to; raise `OSError`."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        listen.host, listen.port, type=socket.SOCK_STREAM
    )[0]
    port = socket.socket(family, kind, protocol)
    port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    port.bind(address)
    return port


def allow_restart(port: socket.socket) -> None:
    """Let a later program take the port while connections that we closed are in TIME_WAIT.

    The connections of a bound port inherit this. It is not said before the port is bound: a
    reserved port would then keep nobody out.
    """
    port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
