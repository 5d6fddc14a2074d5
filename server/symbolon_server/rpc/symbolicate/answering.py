"""Answers one symbolication, from the bytes of its request to those of its response."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from google.protobuf.message import DecodeError

from symbolon_server.rpc.calls.status import FieldViolation, InvalidRequestError
from symbolon_server.rpc.symbolicate.counting import count_symbolication
from symbolon_server.rpc.symbolicate.decoding import InvalidModuleError, ModuleDecoder
from symbolon_server.rpc.symbolicate.encoding import encode_symbolication
from symbolon_server.rpc.symbolicate.raw_request import RawRequest, decode_request, decode_stack
from symbolon_server.rpc.symbolicate.validation import (
    RequestLimits,
    find_broken_rules,
    find_exceeded_in_bytes,
    find_exceeded_limits,
    find_wait_violations,
)
from symbolon_server.symbolication.looking_up.caller import ANYBODY, Caller, refuse_gone
from symbolon_server.symbolication.looking_up.lookup import MayWait
from symbolon_server.symbolication.memory.many_frames import ManyFrames, read_many_frames
from symbolon_server.symbolication.memory.queries import (
    AnswerTooLargeError,
    InvalidFrameError,
    ModuleQuery,
    Symbolication,
)

_ROUNDED_UP_BY = 0.01
"""Clients send the time to their deadline rounded up, by as much as a hundredth (C-core sends
10.01 s as 10.1 s), and give up when the exact time is over."""

MANY_BYTES: Final = 6_000
"""Of encoded stacks: from some 500 frames on, recalling all at once is faster than one by one."""

_LONGEST_FRAME_BYTES: Final = 19
"""Of frames as clients write them; what is longer is not read as columns, which take memory."""

_UNREADABLE = FieldViolation("request", "is no symbolon.v1.SymbolicateRequest")


class Symbolicator(Protocol):
    """What answers requests."""

    def symbolicate(
        self,
        modules: Sequence[ModuleQuery],
        stacks: Sequence[Sequence[bytes]],
        wait_seconds: float,
        may_wait: MayWait,
        *,
        with_diagnostics: bool = False,
        caller: Caller = ANYBODY,
    ) -> Symbolication:
        """Return what is known of each frame of `stacks` after at most `wait_seconds`.

        Frames are encoded; raises `InvalidFrameError` where one is none, or names no module, and
        `AnswerTooLargeError`, or `CallerGoneError` soon after the caller is gone.
        """

    def recall(self, modules: Sequence[ModuleQuery], frames: ManyFrames) -> Symbolication | None:
        """Return the answer to many frames if all are remembered; raise `AnswerTooLargeError`.

        None asks for `symbolicate`.
        """


@dataclass(frozen=True, slots=True)
class WaitLimits:
    """How long a call may wait for modules that are not ready."""

    max_wait_seconds: float
    deadline_margin_seconds: float
    """How long before its deadline a call is answered with what is known."""

    def wait_seconds(self, request: RawRequest, remaining_seconds: float | None) -> float:
        """Return how long this request may wait; 0 is not at all.

        `remaining_seconds` is the time to its deadline. gRPC tells a huge one when there is
        no deadline, grpcio-testing tells `None`.
        """
        wait = self.max_wait_seconds
        if request.HasField("max_wait"):
            wait = min(wait, request.max_wait.ToNanoseconds() / 1e9)
        if remaining_seconds is not None:
            exact_seconds = remaining_seconds * (1 - _ROUNDED_UP_BY)
            wait = min(wait, exact_seconds - self.deadline_margin_seconds)
        return max(0.0, wait)


class Answerer:
    """Answers with bytes: the answer is joined from encoded parts, not built of messages.

    Calls share it, and the requests of streams.
    """

    def __init__(
        self,
        symbolicator: Symbolicator,
        request_limits: RequestLimits,
        wait_limits: WaitLimits,
        *,
        many_bytes: int = MANY_BYTES,
    ) -> None:
        """Recall the frames of a request at once where its stacks have `many_bytes`."""
        self._symbolicator = symbolicator
        self._many_bytes = many_bytes
        self._most_many_bytes = request_limits.max_frames * _LONGEST_FRAME_BYTES
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
        `remaining_seconds` is the time to the deadline, as gRPC tells it.
        """
        request = self._read(data)
        stacks = request.stacks[:]
        are_many = self._many_bytes <= sum(map(len, stacks)) <= self._most_many_bytes
        if are_many and not request.with_diagnostics:
            recalled = self._recall(request, stacks)
            if recalled is not None:
                return recalled
        refuse_gone(caller.is_gone)
        return self._symbolicate(request, stacks, remaining_seconds, may_wait, caller)

    def _read(self, data: bytes) -> RawRequest:
        """Return the request of these bytes; nothing is built of one that exceeds a limit."""
        violations = find_exceeded_in_bytes(data, self._request_limits)
        if violations:
            raise InvalidRequestError(violations)
        try:
            request = decode_request(data)
        except DecodeError as error:
            raise InvalidRequestError([_UNREADABLE]) from error
        self._check_limits(request, len(request.stacks), 0)
        return request

    def _recall(self, request: RawRequest, stacks: Sequence[bytes]) -> bytes | None:
        """Return the answer to a request of many frames where all are remembered.

        None where not, and where anything else is out of the ordinary: `_symbolicate` sees to it.
        """
        frames = read_many_frames(stacks)
        if frames is None:
            return None
        self._check(request, len(stacks), len(frames))
        try:
            answer = self._symbolicator.recall(self._modules.decode(request), frames)
        except (InvalidModuleError, AnswerTooLargeError):
            return None
        return None if answer is None else _encode(answer)

    def _symbolicate(
        self,
        request: RawRequest,
        stacks: Sequence[bytes],
        remaining_seconds: float | None,
        may_wait: MayWait,
        caller: Caller,
    ) -> bytes:
        try:
            frames = [decode_stack(stack) for stack in stacks]
            self._check(request, len(stacks), sum(map(len, frames)))
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
        return _encode(answer, with_diagnostics=request.with_diagnostics)

    def _check(self, request: RawRequest, stacks: int, frames: int) -> None:
        """Look at the limits and the wait of a request; modules and frames are not looked at."""
        self._check_limits(request, stacks, frames)
        violations = find_wait_violations(request)
        if violations:
            raise InvalidRequestError(violations)

    def _check_limits(self, request: RawRequest, stacks: int, frames: int) -> None:
        modules = len(request.modules)
        violations = find_exceeded_limits(modules, stacks, frames, self._request_limits)
        if violations:
            raise InvalidRequestError(violations)


def _encode(answer: Symbolication, *, with_diagnostics: bool = False) -> bytes:
    """Count an answer and return it as a response."""
    count_symbolication(answer)
    return encode_symbolication(answer, with_diagnostics=with_diagnostics)
