"""What can go wrong when a server is asked, one class for each thing to do about it.

    SymbolonError
    ├── InvalidReportError          a report cannot be read: fix it
    ├── InvalidRequestError         the request breaks a rule: fix it
    ├── InvalidTargetError          no server can be at this address: correct it
    ├── InvalidCredentialsError     a token, key or certificate cannot be used: fix it
    ├── ClosedError                 the client was closed: make a new one
    ├── ServerUnreachableError      no answer from there: check the target, try again
    ├── ServerBusyError             the server is full: try again later
    ├── DeadlineError               too slow: allow more time, or wait less for modules
    ├── MessageTooLargeError        too much at once: ask for fewer frames
    ├── NotAllowedError             no token, or not for this call
    ├── NotOfferedError             the server is older than this client
    └── ServerDefectError           the server's fault: look into its log

Trouble with one module is none of these: it is an outcome in the result.
"""

from dataclasses import dataclass
from typing import ClassVar, Self


class SymbolonError(Exception):
    """Anything that keeps a call from being answered; `str()` is one line for a person."""

    advice: ClassVar[str] = ""
    """What to do about it, in one sentence."""

    request_id: str | None = None
    """The call's name in the server's log; `None` where the server did not tell."""

    def saying(self, text: str) -> Self:
        """Return the same error with another text, such as one that names the report it is of."""
        error = type(self).__new__(type(self), text)
        error.__dict__.update(self.__dict__)
        error.__cause__ = self.__cause__
        return error


class InvalidReportError(SymbolonError):
    """A crash report does not have the form that it claims to have."""

    advice = "Fix the report; asking again as it is does not help."


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One rule that a request breaks."""

    field: str
    """Path of the field, such as `stacks[0].frames[3].module_index`."""

    description: str
    """What is wrong with it, for a person."""


class InvalidRequestError(SymbolonError):
    """The request breaks rules of the API."""

    advice = "Fix the request; asking again as it is does not help."

    def __init__(self, message: str, violations: tuple[FieldViolation, ...] = ()) -> None:
        super().__init__(message)
        self.violations = violations
        """Every rule broken, as far as the server told."""


class InvalidTargetError(SymbolonError, ValueError):
    """A target, or several of them, cannot be the address of a server."""

    advice = "Give host:port, without a scheme such as http://."


class InvalidCredentialsError(SymbolonError):
    """A token, key or certificate cannot be read, or others could read it on its way."""

    advice = "Fix the file, or connect by TLS."


class ClosedError(SymbolonError):
    """The client was closed, before a call or during it."""

    advice = "Make a new client, or close this one when its calls are done."


class ServerUnreachableError(SymbolonError):
    """Nothing answers at the target, or it is shutting down."""

    advice = (
        "Check that symbolon-server runs there, that the target is right, and that both sides "
        "agree on TLS and its certificates; then ask again."
    )


class ServerBusyError(SymbolonError):
    """The server has as many calls as it takes."""

    advice = "Ask again later, when `retry_after_seconds` are over."

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class DeadlineError(SymbolonError):
    """The call's time was over before the answer was there."""

    advice = "Allow a longer timeout, or a shorter wait for modules that are not ready."


class MessageTooLargeError(SymbolonError):
    """A request or an answer is larger than the other side takes."""

    advice = "Ask for fewer frames at a time."


class NotAllowedError(SymbolonError):
    """The server does not know the caller, or does not allow it this call."""

    advice = "Use a token that the server's operator gave out for this."


class NotOfferedError(SymbolonError):
    """The server does not have this call."""

    advice = "Ask a server of a newer version, or check that this is a Symbolon server at all."


class ServerDefectError(SymbolonError):
    """The server failed in a way that it was not made for."""

    advice = "Ask once more; if it fails again, the server's log says why."
