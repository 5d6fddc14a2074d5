"""How a request over HTTP fails: a status and one line of text, in Eliot's JSON."""

import math
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

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
    return JSONResponse({"title": refused.title}, refused.status, refused.headers)


def answer_error(_request: Request, error: Exception) -> JSONResponse:
    """Return the answer to a request that failed in the gRPC server or in the client."""
    status = _STATUSES.get(type(error), _UPSTREAM_DEFECT)
    headers = {}
    if isinstance(error, ServerBusyError):
        headers["Retry-After"] = str(math.ceil(error.retry_after_seconds))
    content = {"title": str(error)}
    if isinstance(error, SymbolonError) and error.request_id is not None:
        content["request_id"] = error.request_id
    return JSONResponse(content, status, headers)


def answer_http_error(_request: Request, error: Exception) -> JSONResponse:
    """Return the answer to a request with an unknown path or a wrong method."""
    if not isinstance(error, HTTPException):
        raise error
    return JSONResponse({"title": error.detail}, error.status_code, error.headers)


def answer_defect(_request: Request, _error: Exception) -> JSONResponse:
    """Return the answer to a request that hit a defect of the gateway, which is logged."""
    return JSONResponse({"title": "internal error; see the gateway's log"}, 500)
