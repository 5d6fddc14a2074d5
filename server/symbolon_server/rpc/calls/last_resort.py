"""What becomes of an error that nobody expected: a line in the log, and nothing of it outside."""

from symbolon_server.telemetry.logs import EventLog

_log = EventLog(__name__)


def log_defect(error: Exception, method: str, request_id: str) -> str:
    """Log a defect of the server; return what its caller is told, with which it can be found."""
    _log.error("call_failed", exception=error, method=method, request_id=request_id)
    return f"internal error; the server's log tells more under request id {request_id}"
