"""Translates gRPC's errors into those of this package."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import grpc.aio

from symbolon import errors
from symbolon._calling.options import REQUEST_ID_KEY
from symbolon._calling.status_details import METADATA_KEY, StatusDetails, read_status_details

_KINDS: dict[grpc.StatusCode, type[errors.SymbolonError]] = {
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.MessageTooLargeError,
    grpc.StatusCode.UNAUTHENTICATED: errors.NotAllowedError,
    grpc.StatusCode.PERMISSION_DENIED: errors.NotAllowedError,
    grpc.StatusCode.UNIMPLEMENTED: errors.NotOfferedError,
    grpc.StatusCode.NOT_FOUND: errors.NotOfferedError,  # a health check of an unknown service
    # Not cancelled by us: the call reached a server, or a proxy, that was stopping.
    grpc.StatusCode.CANCELLED: errors.ServerUnreachableError,
}


class Connection:
    """The target of a client, and of those that share its channel, and whether it was closed."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.is_closed = False

    @contextmanager
    def translating_errors(self) -> Iterator[None]:
        """Raise errors of this package in place of those of gRPC and its asyncio version."""
        try:
            yield
        except grpc.RpcError as error:
            if self.is_closed:
                raise self._closed() from error
            raise translate(error, self.target) from error
        except (ValueError, grpc.aio.UsageError) as error:
            # Raised by a closed channel; other causes were refused before.
            raise self._closed() from error
        except asyncio.CancelledError as error:
            if not self.is_closed or _is_task_cancelled():
                raise
            raise self._closed() from error

    def _closed(self) -> errors.ClosedError:
        return errors.ClosedError(f"{self.target}: the client is closed")


def _is_task_cancelled() -> bool:
    """Return whether the task itself was cancelled, and not only its call by gRPC."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def translate(error: grpc.RpcError, target: str) -> errors.SymbolonError:
    """Return the error of this package for one of gRPC's, of either kind of client."""
    if not isinstance(error, grpc.Call | grpc.aio.AioRpcError):
        return errors.ServerDefectError(f"{target}: {error}")
    trailers = dict(error.trailing_metadata() or ())
    translated = _translate(error, target, trailers.get(METADATA_KEY))
    if (request_id := trailers.get(REQUEST_ID_KEY)) is not None:
        translated.request_id = str(request_id)
    return translated


def _translate(
    call: grpc.Call | grpc.aio.AioRpcError, target: str, status: str | bytes | None
) -> errors.SymbolonError:
    code = call.code()
    details = read_status_details(status) if isinstance(status, bytes) else StatusDetails()
    message = f"{target}: {call.details() or code.name}"
    if code is grpc.StatusCode.UNAVAILABLE:
        return errors.ServerUnreachableError(f"cannot reach {message}")
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        return errors.InvalidRequestError(call.details() or code.name, details.violations)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and details.retry_after_seconds is not None:
        return errors.ServerBusyError(message, details.retry_after_seconds)
    return _KINDS.get(code, errors.ServerDefectError)(message)
