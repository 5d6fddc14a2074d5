"""What the gateway answers at which path."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from symbolon import SymbolonError
from symbolon_server.gateway.bodies import read_body
from symbolon_server.gateway.callers import read_token
from symbolon_server.gateway.page import answer_page
from symbolon_server.gateway.refusals import (
    Refused,
    answer_defect,
    answer_error,
    answer_http_error,
    answer_refused,
)
from symbolon_server.gateway.symbolicating import Asked, Symbolicating


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """What the gateway keeps to."""

    max_body_bytes: int
    version: str
    """Of the program, for `/__version__`."""

    is_known: Callable[[str], bool] | None
    """Whether a token is known; None: nobody needs one."""


class Gateway:
    """Answers HTTP; calls to gRPC wait in threads, so that health does not wait for them."""

    def __init__(
        self,
        symbolicating: Symbolicating,
        options: GatewayOptions,
        callers: Executor,
        watchers: Executor,
    ) -> None:
        """`callers` are the threads of those who ask, `watchers` those of health."""
        self._symbolicating = symbolicating
        self._options = options
        self._callers = callers
        self._watchers = watchers

    def web_app(self) -> Starlette:
        """Return what an HTTP server serves."""
        return Starlette(
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

    async def _answer_v5(self, request: Request) -> Response:
        return await self._answer(request, 5)

    async def _answer_v4(self, request: Request) -> Response:
        return await self._answer(request, 4)

    async def _answer(self, request: Request, version: int) -> Response:
        token = read_token(request, self._options.is_known)
        asked = Asked(
            await read_body(request, self._options.max_body_bytes),
            version,
            token,
            with_debug="debug" in request.headers,
            with_outcomes=_is_asked(request, "outcomes"),
            is_strict=_is_asked(request, "strict"),
        )
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(self._callers, self._symbolicating.answer, asked)
        return Response(answer, media_type="application/json")

    async def _tell_health(self, _request: Request) -> Response:
        """Tell whether a request would be answered."""
        loop = asyncio.get_running_loop()
        try:
            is_serving = await loop.run_in_executor(self._watchers, self._symbolicating.is_serving)
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
