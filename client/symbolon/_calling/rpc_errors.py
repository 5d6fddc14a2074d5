"""From gRPC's errors to those of this package, in one place."""

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
    # Not by us: as happens to a call that reaches a server, or a proxy, while that stops.
    grpc.StatusCode.CANCELLED: errors.ServerUnreachableError,
}


def translate(error: grpc.RpcError, target: str) -> errors.SymbolonError:
    """Return the error of this package for one of gRPC's, of either kind of client."""
    translated = _translate(error, target)
    if isinstance(error, grpc.Call | grpc.aio.AioRpcError):
        translated.request_id = _find_request_id(error)
    return translated


def _translate(error: grpc.RpcError, target: str) -> errors.SymbolonError:
    call: object = error
    if not isinstance(call, grpc.Call | grpc.aio.AioRpcError):
        return errors.ServerDefectError(f"{target}: {error}")
    code, details = call.code(), _read_details(call)
    message = f"{target}: {call.details() or code.name}"
    if code is grpc.StatusCode.UNAVAILABLE:
        return errors.ServerUnreachableError(f"cannot reach {message}")
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        return errors.InvalidRequestError(call.details() or code.name, details.violations)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and details.retry_after_seconds is not None:
        return errors.ServerBusyError(message, details.retry_after_seconds)
    return _KINDS.get(code, errors.ServerDefectError)(message)


def _read_details(call: grpc.Call | grpc.aio.AioRpcError) -> StatusDetails:
    for key, value in call.trailing_metadata() or ():
        if key == METADATA_KEY and isinstance(value, bytes):
            return read_status_details(value)
    return StatusDetails()


def _find_request_id(call: grpc.Call | grpc.aio.AioRpcError) -> str | None:
    for key, value in call.trailing_metadata() or ():
        if key == REQUEST_ID_KEY:
            return str(value)
    return None
