"""How a request over HTTP fails: a status and one line of text, in Eliot's JSON."""

import json
import math
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from symbolon import (
    DeadlineError,
    InvalidCredentialsError,
    InvalidReportError,
    InvalidRequestError,
    MessageTooLargeError,
    NotAllowedError,
    ServerBusyError,
    ServerUnreachableError,
    SymbolonError,
)

_WRONG_METHOD = 405
_UPSTREAM_DEFECT = 502

_STATUSES: Mapping[type[Exception], int] = {
    InvalidReportError: 400,
    InvalidRequestError: 400,
    InvalidCredentialsError: 403,
    NotAllowedError: 403,
    MessageTooLargeError: 413,
    ServerBusyError: 503,
    ServerUnreachableError: 503,
    DeadlineError: 504,
}
"""Every other error is a defect of the gRPC server."""


class EliotResponse(JSONResponse):
    """JSON with the spaces that Eliot writes: some callers compare bytes."""

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return json.dumps(content).encode("ascii")


class Refused(Exception):  # noqa: N818 # it is an answer
    """A request that fails with a status and a reason."""

    def __init__(self, status: int, title: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.headers = headers


def answer_refused(_request: Request, error: Exception) -> JSONResponse:
    """Return the answer to a request that the gateway refuses."""
    if not isinstance(error, Refused):
        raise error
    return answer_to(error)


def answer_to(refused: Refused) -> JSONResponse:
    """Return the answer to a refused request."""
    return EliotResponse({"title": refused.title}, refused.status, refused.headers)


def answer_error(_request: Request, error: Exception) -> JSONResponse:
    """Return the answer to a request that failed in the gRPC server or in the client."""
    status = _STATUSES.get(type(error), _UPSTREAM_DEFECT)
    headers = {}
    if isinstance(error, ServerBusyError):
        headers["Retry-After"] = str(math.ceil(error.retry_after_seconds))
    content = {"title": str(error)}
    if isinstance(error, SymbolonError) and error.request_id is not None:
        content["request_id"] = error.request_id
    return EliotResponse(content, status, headers)


def answer_http_error(request: Request, error: Exception) -> Response:
    """Return the answer to a request with an unknown path or a wrong method.

    OPTIONS is wrong nowhere: without an origin it is no preflight, and asks for the methods.
    """
    if not isinstance(error, HTTPException):
        raise error
    headers = dict(error.headers or {})
    if error.status_code == _WRONG_METHOD:
        headers["Allow"] = ", ".join([*sorted(headers["Allow"].split(", ")), "OPTIONS"])
        if request.method == "OPTIONS":
            return Response(headers=headers)
    return EliotResponse(
        {"title": f"{error.status_code} {error.detail}"}, error.status_code, headers
    )


def answer_defect(_request: Request, _error: Exception) -> JSONResponse:
    """Return the answer to a request that hit a defect of the gateway, which is logged."""
    return EliotResponse({"title": "internal error; see the gateway's log"}, 500)
