"""Calls over HTTP, by a client that costs little: bytes out, bytes in, connections kept."""

import socket
from typing import Any, Self

_PIECE = 1 << 18
_LENGTH = b"\r\ncontent-length: "


class HttpConnection:
    """One connection to the gateway."""

    def __init__(self, address: str, path: str) -> None:
        host, _, port = address.rpartition(":")
        self._head = f"POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: ".encode()
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()

    def call(self, body: bytes) -> bytes:
        """Return the body of the answer; raise `OSError` if its status is not 200."""
        self._socket.sendall(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))
        start = b""
        while b"\r\n\r\n" not in start:
            piece = self._socket.recv(_PIECE)
            if not piece:
                raise ConnectionError("the gateway closed the connection")
            start += piece
        head, _, answer = start.partition(b"\r\n\r\n")
        length = int(head.lower().partition(_LENGTH)[2].partition(b"\r\n")[0])
        whole = bytearray(length)
        whole[: len(answer)] = answer
        self._fill(memoryview(whole)[len(answer) :])
        if not head.startswith(b"HTTP/1.1 200 "):
            raise OSError(f"the gateway refuses: {head[:60]!r} {bytes(whole[:200])!r}")
        return bytes(whole)

    def _fill(self, rest: memoryview) -> None:
        while rest:
            count = self._socket.recv_into(rest)
            if not count:
                raise ConnectionError("the gateway closed the connection")
            rest = rest[count:]


def as_json(request: Any) -> dict[str, Any]:
    """Return a request as one of Tecken's, whose offsets are not those of return addresses."""
    return {
        "memoryMap": [[module.debug_file, module.debug_id] for module in request.modules],
        "stacks": [
            [
                [frame.module_index, frame.module_offset - frame.is_return_address]
                for frame in stack.frames
            ]
            for stack in request.stacks
        ],
    }
