"""Why a request over HTTP is not answered: a status, and one line as Eliot writes it."""

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
"""Every other error is a defect of the server behind."""


class Refused(Exception):  # noqa: N818 # it is an answer
    """A request that is answered with a status and a reason."""

    def __init__(self, status: int, title: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.headers = headers


def answer_refused(_request: Request, error: Exception) -> JSONResponse:
    """Return the answer to a request that was refused here."""
    if not isinstance(error, Refused):
        raise error
    return answer_to(error)


def answer_to(refused: Refused) -> JSONResponse:
    """Return the answer to a request that was refused."""
    return JSONResponse({"title": refused.title}, refused.status, refused.headers)


def answer_error(_request: Request, error: Exception) -> JSONResponse:
    """Return the answer to a request that the server behind, or its report, did not allow."""
    status = _STATUSES.get(type(error), _UPSTREAM_DEFECT)
    headers = {}
    if isinstance(error, ServerBusyError):
        headers["Retry-After"] = str(math.ceil(error.retry_after_seconds))
    content = {"title": str(error)}
    if isinstance(error, SymbolonError) and error.request_id is not None:
        content["request_id"] = error.request_id
    return JSONResponse(content, status, headers)


def answer_http_error(_request: Request, error: Exception) -> JSONResponse:
    """Return the answer to a request for no path, or with the wrong method."""
    if not isinstance(error, HTTPException):
        raise error
    return JSONResponse({"title": error.detail}, error.status_code, error.headers)


def answer_defect(_request: Request, _error: Exception) -> JSONResponse:
    """Return the answer to a request that met a defect of the gateway; the log has the rest."""
    return JSONResponse({"title": "the gateway failed; its log says why"}, 500)
