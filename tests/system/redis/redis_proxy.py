"""A proxy between Symbolon and a real Redis that delays replies and cuts connections."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PIECE_BYTES = 1 << 16


class RedisProxy:
    """Listens on a socket, passes everything on to a unix socket, and does harm when told to.

    All that changes is guarded by one condition, which is held for moments only.
    """

    def __init__(self, listen: Path | int, upstream: Path) -> None:
        """Listen on a unix socket, or on a port of loopback."""
        self._upstream = upstream
        self._changed = threading.Condition()
        self._delay_seconds = 0.0
        self._cuts_left = 0
        self._replies_cut = 0
        self._lie = b""
        self._open: set[socket.socket] = set()
        if isinstance(listen, int):
            self._listener = socket.create_server(("127.0.0.1", listen), backlog=512)
        else:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(listen))
            self._listener.listen(512)
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def close(self) -> None:
        """Hang up on everybody and end the threads."""
        _shut(self._listener)
        self._threads[0].join()  # from here on nobody is let in
        self._set_delay(0.0)
        with self._changed:
            for connection in self._open:
                _shut(connection)
        for thread in self._threads:
            thread.join()
        for connection in (self._listener, *self._open):
            connection.close()

    @contextmanager
    def delaying(self, seconds: float) -> Iterator[None]:
        """Send each piece of a reply so many seconds late."""
        self._set_delay(seconds)
        try:
            yield
        finally:
            self._set_delay(0.0)

    @contextmanager
    def cutting(self) -> Iterator[None]:
        """Send half of each piece of a reply, then hang up."""
        self._set_cuts(1_000_000)
        try:
            yield
        finally:
            self._set_cuts(0)

    @contextmanager
    def lying(self, reply: bytes) -> Iterator[None]:
        """Send `reply` in the place of each piece of a reply."""
        self._set_lie(reply)
        try:
            yield
        finally:
            self._set_lie(b"")

    def cut(self, count: int) -> None:
        """Send half of each of the next `count` pieces of replies, then hang up."""
        self._set_cuts(count)

    @property
    def replies_cut(self) -> int:
        with self._changed:
            return self._replies_cut

    def _set_delay(self, seconds: float) -> None:
        with self._changed:
            self._delay_seconds = seconds
            self._changed.notify_all()

    def _set_lie(self, reply: bytes) -> None:
        with self._changed:
            self._lie = reply

    def _set_cuts(self, count: int) -> None:
        with self._changed:
            self._cuts_left = count

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, name="redis proxy")
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                down, _ = self._listener.accept()
                up = socket.socket(socket.AF_UNIX)
                try:
                    up.connect(str(self._upstream))
                except OSError:  # the server is down, so this is what a client sees
                    _shut(down)
                with self._changed:
                    self._open |= {down, up}
                self._start(self._pump, self._pass_requests, down, up)
                self._start(self._pump, self._pass_replies, down, up)

    def _pump(
        self, pump: Callable[[socket.socket, socket.socket], None], *pair: socket.socket
    ) -> None:
        with suppress(OSError):
            pump(*pair)
        for connection in pair:
            _shut(connection)

    def _pass_requests(self, down: socket.socket, up: socket.socket) -> None:
        while piece := down.recv(_PIECE_BYTES):
            up.sendall(piece)

    def _pass_replies(self, down: socket.socket, up: socket.socket) -> None:
        while piece := up.recv(_PIECE_BYTES):
            if self._is_to_cut_after_delay():
                down.sendall(piece[: len(piece) // 2])
                return
            down.sendall(self._lie or piece)

    def _is_to_cut_after_delay(self) -> bool:
        with self._changed:
            delay = self._delay_seconds
            self._changed.wait_for(lambda: self._delay_seconds < delay, delay)
            if self._cuts_left == 0:
                return False
            self._cuts_left -= 1
            self._replies_cut += 1
            return True


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):  # the other side may have been faster
        connection.shutdown(socket.SHUT_RDWR)
