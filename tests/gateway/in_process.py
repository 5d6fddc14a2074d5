"""The gateway as an application, without a server of its own."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from starlette.types import ASGIApp, Message

from symbolon import Client
from symbolon_server.gateway.reading import BodyLimits
from symbolon_server.gateway.symbolicating import Symbolicating
from symbolon_server.gateway.web_app import Gateway, GatewayOptions, Threads
from tests.gateway.asking import Answer

LIMITS = BodyLimits(max_modules=5_000, max_frames=200_000)
MAX_BYTES = 1 << 24


class Asgi:
    """One request to an application."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.messages: list[Message] = []

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    async def receive(self) -> Message:
        return {"type": "http.request", "body": self._body, "more_body": False}

    async def send(self, message: Message) -> None:
        self.messages.append(message)


class InProcess:
    """A gateway in this process, as a client of one gRPC server."""

    def __init__(
        self,
        client: Client,
        threads: ThreadPoolExecutor,
        limits: BodyLimits = LIMITS,
        is_known: Callable[[str], bool] | None = None,
    ) -> None:
        options = GatewayOptions(MAX_BYTES, limits, 60.0, (), (), "0", is_known)
        gateway = Gateway(
            Symbolicating(lambda: client), options, Threads(threads, threads, threads)
        )
        self._app: ASGIApp = gateway.web_app()

    def post(self, path: str, body: bytes, **headers: str) -> Answer:
        """Post a body to a path."""
        asgi = Asgi(body)
        path, _, query = path.partition("?")
        named = {"host": "localhost", **headers}
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": query.encode(),
            "http_version": "1.1",
            "headers": [
                (name.replace("_", "-").lower().encode(), value.encode())
                for name, value in named.items()
            ],
        }

        async def answer() -> None:
            await self._app(scope, asgi.receive, asgi.send)

        asyncio.run(answer())
        begin, *rest = asgi.messages
        told: Mapping[str, str] = {
            name.decode(): value.decode() for name, value in begin["headers"]
        }
        return Answer(asgi.status, told, b"".join(piece.get("body", b"") for piece in rest))
