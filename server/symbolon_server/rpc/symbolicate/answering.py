"""Answers one symbolication, from the bytes of the request to the bytes of the response."""

from dataclasses import dataclass

from google.protobuf.message import DecodeError

from symbolon_server.rpc.calls.status import FieldViolation, InvalidRequestError
from symbolon_server.rpc.symbolicate.request import (
    InvalidModuleError,
    ModuleDecoder,
    RawRequest,
    RequestLimits,
    check_request,
    decode_stacks,
    find_broken_rules,
    read_request,
)
from symbolon_server.rpc.symbolicate.response import count_and_encode
from symbolon_server.symbolication.looking_up.caller import ANYBODY, Caller
from symbolon_server.symbolication.looking_up.lookup import MayWait
from symbolon_server.symbolication.memory.queries import AnswerTooLargeError, InvalidFrameError
from symbolon_server.symbolication.recalling.request_frames import RequestFrames
from symbolon_server.symbolication.symbolicator import Symbolicator

_ROUNDED_UP_BY = 0.01
"""Clients round the time to their deadline up by as much as a hundredth (C-core sends 10.01 s as
10.1 s), but give up after the exact time."""


@dataclass(frozen=True, slots=True)
class WaitLimits:
    """How long a call may wait for modules that are not ready."""

    max_wait_seconds: float
    deadline_margin_seconds: float
    """How long before its deadline a call is answered with what is known."""

    def wait_seconds(self, request: RawRequest, remaining_seconds: float | None) -> float:
        """Return how long this request may wait; 0 means that it does not wait.

        `remaining_seconds` is the time to its deadline. Without a deadline it is huge in gRPC and
        None in grpcio-testing.
        """
        wait = self.max_wait_seconds
        if request.HasField("max_wait"):
            wait = min(wait, request.max_wait.ToNanoseconds() / 1e9)
        if remaining_seconds is not None:
            exact_seconds = remaining_seconds * (1 - _ROUNDED_UP_BY)
            wait = min(wait, exact_seconds - self.deadline_margin_seconds)
        return max(0.0, wait)


class Answerer:
    """Answers with bytes: a response is joined from encoded parts, not built as a message.

    All calls share it, and all requests of streams.
    """

    def __init__(
        self,
        symbolicator: Symbolicator,
        request_limits: RequestLimits,
        wait_limits: WaitLimits,
    ) -> None:
        """Have `symbolicator` answer the requests that are within the limits."""
        self._symbolicator = symbolicator
        self._request_limits = request_limits
        self._wait_limits = wait_limits
        self._modules = ModuleDecoder()

    def answer(
        self,
        data: bytes,
        remaining_seconds: float | None,
        may_wait: MayWait,
        caller: Caller = ANYBODY,
    ) -> bytes:
        """Return the encoded `SymbolicateResponse` to an encoded `SymbolicateRequest`.

        Raises `InvalidRequestError`, and `CallerGoneError` soon after the caller is gone.
        `remaining_seconds` is the time to the deadline, as gRPC reports it.
        """
        request = read_request(data, self._request_limits)
        try:
            limits = self._request_limits
            frames = RequestFrames(request.stacks[:], decode_stacks, limits.max_frames)
            check_request(request, len(frames), limits)
            answer = self._symbolicator.symbolicate(
                self._modules.decode(request),
                frames,
                self._wait_limits.wait_seconds(request, remaining_seconds),
                may_wait,
                with_diagnostics=request.with_diagnostics,
                caller=caller,
            )
        except (DecodeError, InvalidModuleError, InvalidFrameError) as error:
            raise InvalidRequestError(find_broken_rules(request)) from error
        except AnswerTooLargeError as error:
            raise InvalidRequestError([FieldViolation("stacks", str(error))]) from error
        return count_and_encode(answer, with_diagnostics=request.with_diagnostics)
