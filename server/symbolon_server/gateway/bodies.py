"""Bodies of requests, read with limits of size and time."""

import asyncio

from starlette.requests import Request

from symbolon_server.gateway.refusals import Refused

_PATIENCE_SECONDS = 30.0
"""For a whole body."""


async def read_body(
    request: Request, max_bytes: int, patience_seconds: float = _PATIENCE_SECONDS
) -> bytes:
    """Return the body; raise `Refused` for one that is too large, too slow or packed."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refused(415, "the body must not be compressed")
    _refuse_announced(request, max_bytes)
    try:
        async with asyncio.timeout(patience_seconds):
            return await _read(request, max_bytes)
    except TimeoutError:
        raise Refused(408, "the body takes too long") from None


def _refuse_announced(request: Request, max_bytes: int) -> None:
    announced = request.headers.get("content-length", "0")
    if int(announced) > max_bytes:  # the HTTP server takes digits only
        raise _too_large(max_bytes)


async def _read(request: Request, max_bytes: int) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(body)


def _too_large(max_bytes: int) -> Refused:
    return Refused(413, f"the body is larger than {max_bytes} bytes")
