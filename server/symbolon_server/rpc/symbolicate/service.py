"""The SymbolicationService: stacks in, functions and lines out, all of it bytes.

`SymbolicationService.Symbolicate` and `Answerer.answer` have the steps of a call in order.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Final, NamedTuple

import grpc
from google.protobuf.message import DecodeError

from symbolon.v1 import module_pb2
from symbolon.v1 import symbolication_service_pb2 as pb
from symbolon_server.rpc.access.access import NameCaller, name_of_peer
from symbolon_server.rpc.calls.accepted_calls import InPool
from symbolon_server.rpc.calls.status import (
    FieldViolation,
    InvalidRequestError,
    refuse_invalid,
    refuse_plainly,
)
from symbolon_server.rpc.symbolicate.field_counts import (
    LEAST_FIELD_BYTES,
    MOST_OTHERS,
    count_request,
)
from symbolon_server.rpc.symbolicate.request import (
    InvalidModuleError,
    RawRequest,
    RequestMessage,
    StackMessage,
    decode_module,
    duration_violations,
    exceeded,
    find_broken_rules,
)
from symbolon_server.rpc.symbolicate.response import encode_diagnostics, encode_result_field
from symbolon_server.rpc.symbolicate.waiting_room import WaitingRoom
from symbolon_server.symbolication.looking_up.lookup import MayWait
from symbolon_server.symbolication.memory.queries import (
    ANYBODY,
    AnswerTooLargeError,
    Caller,
    CallerGoneError,
    FrameOutcome,
    InvalidFrameError,
    ModuleOutcome,
    ModuleQuery,
    ModuleResult,
    Symbolication,
    TierName,
)
from symbolon_server.symbolication.symbolicator import RequestFrames, Symbolicator
from symbolon_server.symbols.ground.module_ids import InvalidModuleIdError
from symbolon_server.telemetry.metrics import (
    BEFORE_READING,
    CALL_WAIT_SECONDS,
    FRAMES,
    LOOKUPS,
    MODULES,
)
from symbolon_server.telemetry.tallies import Tally

SERVICE = pb.DESCRIPTOR.services_by_name["SymbolicationService"].full_name

_ROUNDED_UP_BY = 0.01
"""Clients round the time to their deadline up by as much as a hundredth (C-core sends 10.01 s as
10.1 s), but give up after the exact time."""

_MOST_KNOWN: Final = 1 << 14
_LONGEST_KNOWN: Final = 512
"""Bytes of an encoded module: many requests name the same modules, few name huge ones."""

_UNREADABLE = FieldViolation("request", "is not a symbolon.v1.SymbolicateRequest")
_NOT_REFERENCED: Final = encode_result_field(ModuleResult(ModuleOutcome.NOT_REFERENCED))

_REMEMBERED = FRAMES.labels("remembered")
_FRAMES = {int(outcome): FRAMES.labels(outcome.name.lower()) for outcome in FrameOutcome}
_MODULES = {outcome: MODULES.labels(outcome.name.lower()) for outcome in ModuleOutcome}
_HITS = {tier: LOOKUPS.labels(tier.name.lower(), "hit") for tier in TierName}
_MISSES = {tier: LOOKUPS.labels(tier.name.lower(), "miss") for tier in TierName}


class RequestLimits(NamedTuple):
    """How much one request may ask for."""

    max_modules: int
    max_frames: int
    """Of all stacks together. It also limits the number of stacks: empty ones cost time, too."""

    def check(self, modules: int, stacks: int, frames: int, more: str = "") -> None:
        """Raise `InvalidRequestError` if a number is over its limit; `more` follows the number."""
        if modules <= self.max_modules and max(stacks, frames) <= self.max_frames:
            return
        counts = (
            ("modules", modules, self.max_modules),
            ("stacks", stacks, self.max_frames),
            ("stacks.frames", frames, self.max_frames),
        )
        raise InvalidRequestError(
            [
                exceeded(field, f"{count}{more}", limit)
                for field, count, limit in counts
                if count > limit
            ]
        )

    def check_bytes(self, data: bytes) -> None:
        """Check an encoded request before any object is built from it.

        A request too short to hold more frames than the limit passes: its modules and stacks cost
        little until they are decoded.
        """
        if len(data) <= LEAST_FIELD_BYTES * self.max_frames:
            return
        counts = count_request(data, self.max_modules, self.max_frames)
        if counts.others > MOST_OTHERS:
            message = f"has over {MOST_OTHERS} fields with unknown numbers"
            raise InvalidRequestError([FieldViolation("request", message)])
        self.check(counts.modules, counts.stacks, counts.frames, " or more")


class WaitLimits(NamedTuple):
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
            check_request(request, frames.count, limits)
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


class SymbolicationService:
    """Answers calls in their own threads, and streams in those of `Streams`."""

    def __init__(
        self,
        answerer: Answerer,
        waiting_room: WaitingRoom,
        answer_stream: InPool,
        name_caller: NameCaller = name_of_peer,
    ) -> None:
        """Let the callers that `name_caller` distinguishes take turns in the queue.

        `answer_stream` is the function of `SymbolicateStream`.
        """
        self._name_caller = name_caller
        self._answerer = answerer
        self._waiting_room = waiting_room
        self._answer_stream = answer_stream

    def add_to(self, server: grpc.Server) -> str:
        """Register the service and return its name.

        Generated code is not used: it would parse every frame and serialize every answer.
        """
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Symbolicate": grpc.unary_unary_rpc_method_handler(self.Symbolicate),
            "SymbolicateStream": grpc.stream_stream_rpc_method_handler(self._answer_stream),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        server.add_registered_method_handlers(SERVICE, handlers)
        return SERVICE

    def Symbolicate(  # noqa: N802 # the name in the .proto file
        self, data: bytes, context: grpc.ServicerContext
    ) -> bytes:
        """Return the encoded `SymbolicateResponse` to an encoded `SymbolicateRequest`."""
        may_wait = partial(self._may_wait, context)
        try:
            caller = Caller(partial(self._name_caller, context), partial(_is_gone, context))
            return self._answerer.answer(data, context.time_remaining(), may_wait, caller)
        except CallerGoneError:
            refuse_plainly(context, grpc.StatusCode.CANCELLED, "the caller is gone")
        except InvalidRequestError as error:
            refuse_invalid(context, error.violations)

    def _may_wait(
        self, context: grpc.ServicerContext, stop: Callable[[], None]
    ) -> AbstractContextManager[bool]:
        """Enter the waiting room; call `stop` as soon as the caller is gone."""
        if not context.add_callback(stop):
            stop()  # it is gone already
        return self._waiting_room.enter(self._name_caller(context))


def _is_gone(context: grpc.ServicerContext) -> bool:
    return not context.is_active()


def read_request(data: bytes, limits: RequestLimits) -> RawRequest:
    """Return the request in these bytes, within `limits`; raise `InvalidRequestError`.

    The fields that stay encoded may still be invalid messages.
    """
    limits.check_bytes(data)
    try:
        request: RawRequest = RequestMessage.FromString(data)
    except DecodeError as error:
        raise InvalidRequestError([_UNREADABLE]) from error
    limits.check(len(request.modules), len(request.stacks), 0)
    return request


def check_request(request: RawRequest, frames: int, limits: RequestLimits) -> None:
    """Check all limits and the wait, but no module or frame; raise `InvalidRequestError`."""
    limits.check(len(request.modules), len(request.stacks), frames)
    if request.HasField("max_wait"):
        violations = list(duration_violations("max_wait", request.max_wait))
        if violations:
            raise InvalidRequestError(violations)


def decode_stacks(stacks: Iterable[bytes]) -> list[list[bytes]]:
    """Return the encoded frames of encoded stacks; raise protobuf's `DecodeError`."""
    return [StackMessage.FromString(stack).frames[:] for stack in stacks]  # faster than `list`


class ModuleDecoder:
    """Decodes modules, and remembers them by their bytes.

    Calls share it without a lock: each step on its dictionary is atomic, and every order of steps
    leads to correct entries.
    """

    def __init__(self) -> None:
        """Know no module yet."""
        self._known: dict[bytes, ModuleQuery] = {}

    def decode(self, request: RawRequest) -> list[ModuleQuery]:
        """Return the modules of a request, in its order; raise `InvalidModuleError`."""
        try:
            modules = list(map(self._known.__getitem__, request.modules[:]))
        except KeyError:
            modules = [self._decode(data) for data in request.modules]
        if request.with_linkage_names:
            return [module.with_linkage_names for module in modules]
        return modules

    def _decode(self, data: bytes) -> ModuleQuery:
        try:
            module = decode_module(module_pb2.Module.FromString(data))
        except (DecodeError, InvalidModuleIdError) as error:
            raise InvalidModuleError from error
        if len(data) <= _LONGEST_KNOWN:
            if len(self._known) >= _MOST_KNOWN:
                self._known = {}
            self._known[data] = module
        return module


def count_and_encode(answer: Symbolication, *, with_diagnostics: bool = False) -> bytes:
    """Count an answer in the metrics and return its encoded `SymbolicateResponse`.

    The response is joined from parts that are encoded already. Remembered frames are counted
    without their outcomes: those would cost each call a look at each frame.
    """
    if answer.is_recalled:
        frames, found = answer.diagnostics.frames, len(answer.results)
        _RECALLED.note(_Recalled(frames, answer.modules, found))
    else:
        _count_looked_up(answer)
    modules = [_NOT_REFERENCED] * answer.modules
    for index, result in answer.results.items():
        modules[index] = encode_result_field(result)
    pieces = [*answer.stacks.pieces, *modules]
    if with_diagnostics:
        rest = pb.SymbolicateResponse(diagnostics=encode_diagnostics(answer.diagnostics))
        pieces.append(rest.SerializeToString())
    return b"".join(pieces)


class _Recalled(NamedTuple):
    """An answer of remembered frames; made of numbers only, which the garbage collector skips."""

    frames: int
    modules: int
    found: int
    """Modules that frames name: all of them are found."""


def _count_recalled(answers: Sequence[_Recalled]) -> None:
    frames, modules, found = map(sum, zip(*answers, strict=True))
    _REMEMBERED.inc(frames)
    _HITS[TierName.FRAMES].inc(frames)
    _MODULES[ModuleOutcome.FOUND].inc(found)
    _MODULES[ModuleOutcome.NOT_REFERENCED].inc(modules - found)


_RECALLED = Tally(_count_recalled, BEFORE_READING)


def _count_looked_up(answer: Symbolication) -> None:
    outcomes = answer.diagnostics.outcomes
    _REMEMBERED.inc(answer.diagnostics.frames - sum(outcomes.values()))
    for frame_outcome, frames in outcomes.items():
        _FRAMES[frame_outcome].inc(frames)
    if answer.diagnostics.waited_seconds is not None:
        CALL_WAIT_SECONDS.observe(answer.diagnostics.waited_seconds)
    results = Counter([result.outcome for result in answer.results.values()])
    if answer.modules > len(answer.results):
        results[ModuleOutcome.NOT_REFERENCED] = answer.modules - len(answer.results)
    for outcome, count in results.items():
        _MODULES[outcome].inc(count)
    for tier, counts in answer.diagnostics.tiers.items():
        if counts.hits:
            _HITS[tier].inc(counts.hits)
        if counts.lookups > counts.hits:
            _MISSES[tier].inc(counts.lookups - counts.hits)
