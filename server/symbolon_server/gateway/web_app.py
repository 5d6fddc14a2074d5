"""What the gateway answers at which path."""

import asyncio
from collections.abc import Callable, Collection
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from symbolon import SymbolonError
from symbolon_server.gateway.admission import Admission
from symbolon_server.gateway.bodies import read_body
from symbolon_server.gateway.callers import read_token
from symbolon_server.gateway.deadline import Deadline
from symbolon_server.gateway.page import answer_page
from symbolon_server.gateway.reading import BodyLimits, read_request
from symbolon_server.gateway.refusals import (
    Refused,
    answer_defect,
    answer_error,
    answer_http_error,
    answer_refused,
)
from symbolon_server.gateway.symbolicating import Asked, Symbolicating

_ALLOWED_HEADERS = "Authorization", "Content-Type", "Debug", "User-Agent"
"""Of pages of other origins; the Firefox Profiler names itself in the last one."""

_PREFLIGHT_SECONDS = 7200
"""How long browsers remember what a page may do; Chromium remembers nothing for longer."""


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """What the gateway keeps to."""

    max_body_bytes: int
    limits: BodyLimits
    answer_seconds: float
    """For an answer, from the end of the body."""

    hosts: Collection[str]
    """The names that it is reached by, besides those of this machine and its own address."""

    origins: Collection[str]
    """Those whose pages may call it, besides its own."""

    version: str
    """Of the program, for `/__version__`."""

    is_known: Callable[[str], bool] | None
    """Whether a token is known; None: nobody needs one."""


class Threads(NamedTuple):
    """What does the work of requests, so that health waits for none of it."""

    readers: Executor
    """Read bodies: few, for each takes many times the memory of its body meanwhile."""

    callers: Executor
    """Wait for calls to gRPC."""

    watchers: Executor
    """Ask for the health of the other side."""


class Gateway:
    """Answers HTTP."""

    def __init__(
        self,
        symbolicating: Symbolicating,
        options: GatewayOptions,
        threads: Threads,
    ) -> None:
        self._symbolicating = symbolicating
        self._options = options
        self._threads = threads

    def web_app(self) -> ASGIApp:
        """Return what an HTTP server serves."""
        app: ASGIApp = self._routed()
        if self._options.origins:
            app = CORSMiddleware(
                app,
                allow_origins=self._options.origins,
                allow_methods=("GET", "POST"),
                allow_headers=_ALLOWED_HEADERS,
                allow_private_network=True,
                expose_headers=("Retry-After",),
                max_age=_PREFLIGHT_SECONDS,
            )
        return Admission(app, self._options.hosts, self._options.origins)

    def _routed(self) -> Starlette:
        app = Starlette(
            routes=[
                Route("/symbolicate/v5", self._answer_v5, methods=["POST"]),
                Route("/symbolicate/v4", self._answer_v4, methods=["POST"]),
                Route("/__heartbeat__", self._tell_health),
                Route("/__lbheartbeat__", self._tell_life),
                Route("/__version__", self._tell_version),
                Route("/", answer_page),
            ],
            exception_handlers={
                Refused: answer_refused,
                SymbolonError: answer_error,
                HTTPException: answer_http_error,
                Exception: answer_defect,
            },
        )
        # It would lead to the host that the request names.
        app.router.redirect_slashes = False
        return app

    async def _answer_v5(self, request: Request) -> Response:
        return await self._answer(request, 5)

    async def _answer_v4(self, request: Request) -> Response:
        return await self._answer(request, 4)

    async def _answer(self, request: Request, version: int) -> Response:
        token = read_token(request, self._options.is_known)
        body = await read_body(request, self._options.max_body_bytes)
        deadline = Deadline.after(self._options.answer_seconds)
        try:
            async with asyncio.timeout(self._options.answer_seconds):
                answer = await self._symbolicate(request, version, body, token, deadline)
        except TimeoutError:
            raise deadline.error() from None
        return Response(answer, media_type="application/json")

    async def _symbolicate(
        self, request: Request, version: int, body: bytes, token: str | None, deadline: Deadline
    ) -> bytes:
        loop = asyncio.get_running_loop()
        limits, threads = self._options.limits, self._threads
        read = partial(read_request, body, version, is_strict=_is_asked(request, "strict"))
        asked = Asked(
            await loop.run_in_executor(threads.readers, read, limits, deadline),
            deadline,
            token,
            request.client.host if request.client else None,
            with_debug="debug" in request.headers,
            with_outcomes=_is_asked(request, "outcomes"),
        )
        return await loop.run_in_executor(threads.callers, self._symbolicating.answer, asked)

    async def _tell_health(self, _request: Request) -> Response:
        """Tell whether a request would be answered."""
        loop = asyncio.get_running_loop()
        try:
            is_serving = await loop.run_in_executor(
                self._threads.watchers, self._symbolicating.is_serving
            )
        except SymbolonError as error:
            return JSONResponse({"status": "error", "reason": str(error)}, 503)
        if not is_serving:
            return JSONResponse({"status": "error", "reason": "the server does not serve"}, 503)
        return JSONResponse({"status": "ok"})

    async def _tell_life(self, _request: Request) -> Response:
        """Tell that the gateway itself runs."""
        return JSONResponse({"status": "ok"})

    async def _tell_version(self, _request: Request) -> Response:
        return JSONResponse({"name": "symbolon", "version": self._options.version})


def _is_asked(request: Request, name: str) -> bool:
    """Return whether the query has a name, with a value or without, other than 0 and false."""
    return request.query_params.get(name, "0").lower() not in {"0", "false"}
