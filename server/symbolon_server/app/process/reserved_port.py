"""A port that is reserved before a process serves on it."""

import socket

from symbolon_server.app import StartError
from symbolon_server.rpc.calls.addresses import ListenAddress, ListenError, check_port


def reserve(listen: ListenAddress) -> tuple[socket.socket, ListenAddress]:
    """Bind the port without listening, so that it stays reserved while a process restarts.

    Only processes that set SO_REUSEPORT, as ours do, can share it. Raises `StartError`, also if
    another server has the port to itself.
    """
    try:
        check_port(listen)
        port = bind_shared(listen)
    except (ListenError, OSError) as error:
        raise StartError(str(error)) from error
    return port, ListenAddress(listen.host, port.getsockname()[1])


def bind_shared(listen: ListenAddress) -> socket.socket:
    """Return a socket bound to a port that our other processes may share; raise `OSError`."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        listen.host, listen.port, type=socket.SOCK_STREAM
    )[0]
    port = socket.socket(family, kind, protocol)
    port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    port.bind(address)
    return port


def allow_restart(port: socket.socket) -> None:
    """Let a later program bind the port while closed connections are in TIME_WAIT.

    The connections of a bound port inherit this option. It is set after the bind: otherwise
    other programs could bind a reserved port.
    """
    port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
