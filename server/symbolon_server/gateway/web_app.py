"""The paths of the gateway, and how each is answered."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, Self, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from symbolon import SymbolonError
from symbolon._batching.batches import OWN_ERRORS
from symbolon._tecken.jobs import V4, V5
from symbolon_server.gateway.admission import Admission, RequestLimit
from symbolon_server.gateway.answer_memory import LARGEST_BODY, AnswerMemory, Key, Remembered
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
from symbolon_server.gateway.single_call import SingleCall
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


T = TypeVar("T")


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

    max_calls: int = 64
    """Calls to gRPC at a time that wait without a thread."""

    max_requests: int = 256
    """Requests in progress; more are refused."""


Ask = Callable[[], bytes]
"""Calls the gRPC server; returns the response."""

Read = Callable[[bytes, Caller], Ask]
"""Reads a body."""

_Whole = tuple[Question, SingleCall | None]
"""A report, and the call that it is, if it is one."""

_ReadReport = Callable[[bytes, Caller], _Whole]
"""Reads a report."""


class _Asked(NamedTuple):
    """What a request asks for beside its body."""

    is_strict: bool
    with_debug: bool
    with_outcomes: bool

    @classmethod
    def of(cls, request: Request) -> Self:
        """Return it."""
        with_debug = bool(request.headers.get("debug"))
        return cls(_is_set(request, "strict"), with_debug, _is_set(request, "outcomes"))

    @property
    def is_plain(self) -> bool:
        """Whether the answer has the frames alone."""
        return not (self.with_debug or self.with_outcomes)


class _Application:
    """An ASGI application of a function, which Starlette would take for one of a request."""

    def __init__(self, answer: ASGIApp) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(scope, receive, send)


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
        self._memory = AnswerMemory()
        self._calls = 0

    def web_app(self) -> ASGIApp:
        """Return the ASGI application."""
        app: ASGIApp = RequestLimit(self._routed(), self._options.max_requests)
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
                self._route_reports("/symbolicate/v5", V5),
                self._route_reports("/symbolicate/v4", V4),
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

    def _route_reports(self, path: str, version: int) -> Route:
        # An application: Starlette wraps functions in what only those need that return a response.
        return Route(path, _Application(partial(self._answer_report, version)), methods=["POST"])

    async def _answer_report(
        self, version: int, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer in Tecken's and Eliot's API."""
        request = Request(scope, receive)
        asked = _Asked.of(request)
        read = partial(self._read_report, version, asked)
        body, caller = await self._receive(request)
        may_be_known = asked.is_plain and len(body) <= LARGEST_BODY
        key = (version, asked.is_strict) if may_be_known else ()
        answer = await self._answer_remembered(body, caller, read, key)
        await Response(answer, media_type="application/json")(scope, receive, send)

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

    async def _receive(
        self, request: Request, encodings: Collection[str] = ()
    ) -> tuple[bytes, Caller]:
        """Return the body, and on whose behalf it is answered."""
        token = read_token(request, self._options.is_known)
        body = await read_body(request, self._options.max_body_bytes, encodings=encodings)
        deadline = Deadline.after(self._options.answer_seconds)
        host = request.client.host if request.client else None
        return body, Caller(deadline, token, host, trace_of(request.scope))

    async def _answer(self, request: Request, read: Read, encodings: Collection[str] = ()) -> bytes:
        body, caller = await self._receive(request, encodings)
        try:
            async with asyncio.timeout(caller.deadline.left()):
                ask = await self._run(self._threads.readers, read, body, caller)
                return await self._run(self._threads.callers, ask)
        except TimeoutError:
            raise caller.deadline.error() from None

    async def _answer_remembered(
        self, body: bytes, caller: Caller, read: _ReadReport, key: Key
    ) -> bytes:
        """Return the answer to a report; with a `key` it may be remembered."""
        known = self._memory.find((*key, body)) if key else None
        response = None
        if known is not None and self._calls < self._options.max_calls:
            # An error is named after what the body has, so the call that is read from it raises it.
            with suppress(*OWN_ERRORS):
                response = await self._ask(known.call, caller)
            if response == known.response:
                return known.answer
        try:
            async with asyncio.timeout(caller.deadline.left()):
                return await self._symbolicate(body, caller, read, key, response)
        except TimeoutError:
            raise caller.deadline.error() from None

    async def _symbolicate(
        self, body: bytes, caller: Caller, read: _ReadReport, key: Key, response: bytes | None
    ) -> bytes:
        threads = self._threads
        question, single = await self._run(threads.readers, read, body, caller)
        if single is None or (response is None and self._calls >= self._options.max_calls):
            return await self._run(threads.callers, self._symbolicating.answer, question)
        if response is None:
            try:
                response = await self._ask(single.encoded, caller)
            except SymbolonError as error:
                raise single.name(error) from error.__cause__
        answer = await self._run(threads.callers, single.write, response)
        if key:
            self._memory.add((*key, body), body, Remembered(single.encoded, response, answer))
        return answer

    async def _ask(self, call: bytes, caller: Caller) -> bytes:
        self._calls += 1
        try:
            return await self._symbolicating.ask(call, caller)
        finally:
            self._calls -= 1

    async def _run(self, threads: Executor, do: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(threads, do, *arguments)

    def _read_report(self, version: int, asked: _Asked, body: bytes, caller: Caller) -> _Whole:
        """Return the question in a body, and the call that it is, if it is one."""
        limits = self._options.limits
        question = Question(
            read_request(body, version, limits, caller.deadline, is_strict=asked.is_strict),
            caller,
            with_debug=asked.with_debug,
            with_outcomes=asked.with_outcomes,
        )
        return question, SingleCall.of(question.request) if asked.is_plain else None

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
    if not request.scope["query_string"]:
        return False
    return request.query_params.get(name, "0").lower() not in {"0", "false"}


def _accepts_json(request: Request) -> bool:
    """Return whether the caller asks for JSON by name."""
    accepted = ",".join(request.headers.getlist("accept")).lower().split(",")
    return any(kind.partition(";")[0].strip() == "application/json" for kind in accepted)
