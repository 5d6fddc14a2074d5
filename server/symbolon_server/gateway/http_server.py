"""The HTTP server of the gateway."""

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """How the gateway serves."""

    max_connections: int
    grace_seconds: float
    """For requests in flight when it is to stop."""

    certificate: Path | None = None
    """Its certificate with the chain, as PEM; None: connections are not encrypted."""

    key: Path | None = None
    client_authority: Path | None = None
    """Who vouches for clients, as PEM; None: they need no certificate."""


def serve_http(
    web_app: Starlette, port: socket.socket, options: HttpOptions, announce: Callable[[], None]
) -> None:
    """Serve until SIGTERM or SIGINT; `announce` is called once requests are answered."""
    client_authority = options.client_authority
    config = uvicorn.Config(
        web_app,
        # What it logs goes the way of all logs; requests are for gRPC's side to log.
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="off",
        limit_concurrency=options.max_connections,
        timeout_graceful_shutdown=round(options.grace_seconds),
        ssl_certfile=options.certificate,
        ssl_keyfile=options.key,
        ssl_ca_certs=None if client_authority is None else str(client_authority),
        ssl_cert_reqs=ssl.CERT_NONE if client_authority is None else ssl.CERT_REQUIRED,
    )
    _Announcing(config, announce).run(sockets=[port])


class _Announcing(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()
