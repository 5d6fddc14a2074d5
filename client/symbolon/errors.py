"""The errors of calls, one class for each thing that you can do about it.

    SymbolonError
    ├── InvalidReportError          a report is malformed: fix it
    ├── InvalidRequestError         the request breaks a rule: fix it
    ├── InvalidTargetError          the address is malformed: correct it
    ├── InvalidCredentialsError     a token, key or certificate is unusable: fix it
    ├── ClosedError                 the client was closed: make a new one
    ├── ServerUnreachableError      no server answers: check the target, retry
    ├── ServerBusyError             the server is full: retry later
    ├── DeadlineError               too slow: allow more time, or wait less for modules
    ├── MessageTooLargeError        request or answer too large: send fewer frames
    ├── NotAllowedError             the token is missing, unknown, or lacks the permission
    ├── NotOfferedError             the server does not have this call: it may be older
    └── ServerDefectError           the server failed: look into its log

A module that is missing or unavailable is no error, but an outcome in the result.
"""

from dataclasses import dataclass
from typing import ClassVar, Self


class SymbolonError(Exception):
    """The base of all errors of this package; `str()` is one line for people."""

    advice: ClassVar[str] = ""
    """What to do about it, in one sentence."""

    request_id: str | None = None
    """The call's id in the server's log; `None` if the server sent none."""

    def saying(self, text: str) -> Self:
        """Return the same error with another text, such as one that names its report."""
        error = type(self).__new__(type(self), text)
        error.__dict__.update(self.__dict__)
        error.__cause__ = self.__cause__
        return error


class InvalidReportError(SymbolonError):
    """A crash report is malformed."""

    advice = "Fix the report; sending it again unchanged does not help."


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One rule that a request breaks."""

    field: str
    """Path of the field, such as `stacks[0].frames[3].module_index`."""

    description: str
    """What is wrong with it, for people."""


class InvalidRequestError(SymbolonError):
    """The request breaks rules of the API."""

    advice = "Fix the request; sending it again unchanged does not help."

    def __init__(self, message: str, violations: tuple[FieldViolation, ...] = ()) -> None:
        super().__init__(message)
        self.violations = violations
        """The broken rules that the server reported."""


class InvalidTargetError(SymbolonError, ValueError):
    """A target is malformed, or several targets cannot be combined."""

    advice = "Give host:port, without a scheme such as http://."


class InvalidCredentialsError(SymbolonError):
    """A token, key or certificate is unusable, or a token would be sent in plaintext."""

    advice = "Fix the file, or use TLS."


class ClosedError(SymbolonError):
    """The client was closed, before a call or during it."""

    advice = "Make a new client, or close this one only after its calls are done."


class ServerUnreachableError(SymbolonError):
    """No server answers at the target, or it is shutting down."""

    advice = (
        "Check that symbolon-server runs there, that the target is right, and that both sides "
        "agree on TLS and its certificates; then retry."
    )


class ServerBusyError(SymbolonError):
    """The server is at its limit of concurrent calls."""

    advice = "Retry after `retry_after_seconds`."

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class DeadlineError(SymbolonError):
    """The call's deadline passed before it was answered."""

    advice = "Allow a longer timeout, or a shorter wait for modules that are not ready."


class MessageTooLargeError(SymbolonError):
    """A request or an answer exceeds the limit of the other side."""

    advice = "Send fewer frames per call."


class NotAllowedError(SymbolonError):
    """The server does not know the caller, or does not permit it this call."""

    advice = "Use a token with this permission; ask the server's operator for one."


class NotOfferedError(SymbolonError):
    """The server does not have this call."""

    advice = "Upgrade the server, or check that the target is a Symbolon server."


class ServerDefectError(SymbolonError):
    """The server failed unexpectedly."""

    advice = "Retry once; if it fails again, the server's log says why."
