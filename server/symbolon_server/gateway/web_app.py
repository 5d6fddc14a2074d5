"""The paths of the gateway, and how each is answered."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from symbolon import SymbolonError
from symbolon_server.gateway.admission import Admission
from symbolon_server.gateway.answering_page import page_answerer
from symbolon_server.gateway.any_text import PACKED, read_text
from symbolon_server.gateway.explaining import read_frame
from symbolon_server.gateway.reading import (
    BodyLimits,
    Deadline,
    read_body,
    read_request,
    read_token,
)
from symbolon_server.gateway.refusals import (
    EliotResponse,
    Refused,
    answer_defect,
    answer_error,
    answer_http_error,
    answer_refused,
)
from symbolon_server.gateway.symbolicating import Caller, Question, Symbolicating
from symbolon_server.gateway.symbolicator.answering import StackAnswerer
from symbolon_server.gateway.symbolicator.refused_paths import refused_routes
from symbolon_server.gateway.tracing import TracedRequests, trace_of
from symbolon_server.telemetry.tracing.tracer import Tracer

_ALLOWED_HEADERS = (
    "Accept-Encoding",
    "Authorization",
    "Content-Type",
    "Debug",
    "DNT",
    "Origin",
    "User-Agent",
    "X-CSRFToken",
    "X-Requested-With",
)
"""For pages of other origins: `Debug`, and what Tecken allows. The Firefox Profiler sets
`User-Agent`, libraries for pages the last two.
"""

_TRACED = ("/symbolicate/v5", "/symbolicate/v4", "/symbolicate/text", "/symbolicate", "/explain")
"""The paths whose requests have spans."""

_TEXT_HEADERS = {"Vary": "Accept", "X-Content-Type-Options": "nosniff"}

_OK = 200

_PREFLIGHT_SECONDS = 7200
"""How long browsers cache a preflight response; the maximum in Chromium."""


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """The limits and names of the gateway."""

    max_body_bytes: int
    limits: BodyLimits
    answer_seconds: float
    """For an answer, from the end of the body."""

    hosts: Collection[str]
    """Host names to serve, besides those of this machine and its own address."""

    origins: Collection[str]
    """Origins whose pages may call the gateway, besides its own."""

    version: str
    """For `/__version__`."""

    is_known: Callable[[str], bool] | None
    """Whether a token is known; None: no token is needed."""

    source_links: Mapping[str, str] = field(default_factory=dict)
    """From hosts of version control to patterns of addresses, for the page."""


Ask = Callable[[], bytes]
"""Calls the gRPC server; returns the response."""

Read = Callable[[bytes, Caller], Ask]
"""Reads a body."""


class Threads(NamedTuple):
    """The threads for each kind of work, so that health checks wait for no other work."""

    readers: Executor
    """Parse bodies: few threads, because parsing takes many times the memory of a body."""

    callers: Executor
    """Wait for calls to gRPC."""

    watchers: Executor
    """Check the health of the gRPC server."""


class Gateway:
    """Answers HTTP requests."""

    def __init__(
        self,
        symbolicating: Symbolicating,
        options: GatewayOptions,
        threads: Threads,
        tracer: Tracer | None = None,
    ) -> None:
        """Answer with `threads`; with a `tracer`, reports have spans."""
        self._tracer = tracer
        self._symbolicating = symbolicating
        self._options = options
        self._threads = threads
        self._stacks = StackAnswerer(symbolicating, options.limits)

    def web_app(self) -> ASGIApp:
        """Return the ASGI application."""
        app: ASGIApp = self._routed()
        if self._tracer is not None:
            app = TracedRequests(app, self._tracer, _TRACED)
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
                Route("/symbolicate/v5", partial(self._answer_report, version=5), methods=["POST"]),
                Route("/symbolicate/v4", partial(self._answer_report, version=4), methods=["POST"]),
                Route("/symbolicate/text", self._answer_text, methods=["POST"]),
                Route("/explain", self._explain, methods=["POST"]),
                Route("/symbolicate", self._answer_stacks, methods=["POST"]),
                Route("/requests/{request_id}", self._answer_held),
                *refused_routes(),
                Route("/__heartbeat__", self._report_health),
                Route("/healthcheck", self._report_serving),
                Route("/__lbheartbeat__", self._report_alive),
                Route("/__version__", self._report_version),
                Route("/", page_answerer(self._options.source_links)),
            ],
            exception_handlers={
                Refused: answer_refused,
                SymbolonError: answer_error,
                HTTPException: answer_http_error,
                Exception: answer_defect,
            },
        )
        # A redirect would go to the host that the request names.
        app.router.redirect_slashes = False
        return app

    async def _answer_report(self, request: Request, version: int) -> Response:
        """Answer in Tecken's and Eliot's API."""
        answer = await self._answer(request, partial(self._read_report, request, version))
        return Response(answer, media_type="application/json")

    async def _answer_text(self, request: Request) -> Response:
        """Answer any text, as text unless JSON is accepted."""
        as_json = _accepts_json(request)
        read = partial(self._read_text, request, as_json)
        answer = await self._answer(request, read, PACKED)
        media_type = "application/json" if as_json else "text/plain"
        return Response(answer, media_type=media_type, headers=_TEXT_HEADERS)

    async def _answer_stacks(self, request: Request) -> Response:
        """Answer in Symbolicator's API."""
        read = partial(self._stacks.read, request.query_params.get("timeout"))
        return Response(await self._answer(request, read), media_type="application/json")

    async def _answer_held(self, request: Request) -> Response:
        """Answer a request in Symbolicator's API that came before."""
        held, timeout = request.path_params["request_id"], request.query_params.get("timeout")
        read = partial(self._stacks.read_poll, held, timeout)
        return Response(await self._answer(request, read), media_type="application/json")

    async def _explain(self, request: Request) -> Response:
        """Answer why a frame is answered as it is."""
        answer = await self._answer(request, self._read_frame)
        return Response(answer, media_type="application/json")

    async def _answer(self, request: Request, read: Read, encodings: Collection[str] = ()) -> bytes:
        token = read_token(request, self._options.is_known)
        body = await read_body(request, self._options.max_body_bytes, encodings=encodings)
        deadline = Deadline.after(self._options.answer_seconds)
        host = request.client.host if request.client else None
        caller = Caller(deadline, token, host, trace_of(request.scope))
        try:
            async with asyncio.timeout(self._options.answer_seconds):
                return await self._call(body, caller, read)
        except TimeoutError:
            raise deadline.error() from None

    async def _call(self, body: bytes, caller: Caller, read: Read) -> bytes:
        loop = asyncio.get_running_loop()
        threads = self._threads
        ask = await loop.run_in_executor(threads.readers, read, body, caller)
        return await loop.run_in_executor(threads.callers, ask)

    def _read_report(self, request: Request, version: int, body: bytes, caller: Caller) -> Ask:
        limits, is_strict = self._options.limits, _is_set(request, "strict")
        question = Question(
            read_request(body, version, limits, caller.deadline, is_strict=is_strict),
            caller,
            with_debug=bool(request.headers.get("debug")),
            with_outcomes=_is_set(request, "outcomes"),
        )
        return partial(self._symbolicating.answer, question)

    def _read_text(self, request: Request, as_json: bool, body: bytes, caller: Caller) -> Ask:
        options = self._options
        pasted = read_text(
            body,
            options.max_body_bytes,
            options.limits,
            caller.deadline,
            is_strict=_is_set(request, "strict"),
        )
        write = pasted.write_json if as_json else partial(pasted.write_text, caller.deadline)
        question = Question(pasted.request, caller, with_outcomes=as_json, write=write)
        return partial(self._symbolicating.answer, question)

    def _read_frame(self, body: bytes, caller: Caller) -> Ask:
        frame = read_frame(body, self._options.limits, caller.deadline)
        return partial(self._symbolicating.explain, frame, caller)

    async def _report_serving(self, request: Request) -> Response:
        """Report in Symbolicator's words whether requests can be answered."""
        health = await self._report_health(request)
        return health if health.status_code != _OK else PlainTextResponse("ok")

    async def _report_health(self, _request: Request) -> Response:
        """Report whether requests can be answered."""
        loop = asyncio.get_running_loop()
        try:
            is_serving = await loop.run_in_executor(
                self._threads.watchers, self._symbolicating.is_serving
            )
        except SymbolonError as error:
            return EliotResponse({"status": "error", "reason": str(error)}, 503)
        if not is_serving:
            return EliotResponse({"status": "error", "reason": "the server is not serving"}, 503)
        return EliotResponse({"status": "ok"})

    async def _report_alive(self, _request: Request) -> Response:
        """Report that the gateway itself runs."""
        return EliotResponse({"status": "ok"})

    async def _report_version(self, _request: Request) -> Response:
        return EliotResponse({"name": "symbolon", "version": self._options.version})


def _is_set(request: Request, name: str) -> bool:
    """Return whether the query has this parameter, with any value but 0 and false."""
    return request.query_params.get(name, "0").lower() not in {"0", "false"}


def _accepts_json(request: Request) -> bool:
    """Return whether the caller asks for JSON by name."""
    accepted = ",".join(request.headers.getlist("accept")).lower().split(",")
    return any(kind.partition(";")[0].strip() == "application/json" for kind in accepted)
