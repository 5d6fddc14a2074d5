"""`SymbolicateStream`: many requests over one stream, answered as they get ready."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Never

import grpc
from google.protobuf.message import DecodeError

from symbolon.v1.status_code_pb2 import StatusCode
from symbolon.v1.symbolication_service_pb2 import StreamError, SymbolicateStreamResponse
from symbolon_server.rpc.access.access import NameCaller, name_of_peer
from symbolon_server.rpc.calls.accepted_calls import InPool
from symbolon_server.rpc.calls.call_limits import Unread, UnreadAnswers
from symbolon_server.rpc.calls.status import (
    InvalidRequestError,
    log_defect,
    refuse_for_now,
    request_id_of,
)
from symbolon_server.rpc.symbolicate.request import (
    RawStreamRequest,
    check_id,
    read_stream_request,
)
from symbolon_server.rpc.symbolicate.service import Answerer
from symbolon_server.rpc.symbolicate.stream_flow import (
    FairThreads,
    FlowLimits,
    StreamFlow,
    WorkQueue,
)
from symbolon_server.rpc.symbolicate.waiting_room import WaitingRoom
from symbolon_server.symbolication.memory.queries import Caller, CallerGoneError
from symbolon_server.symbols.paging import wire
from symbolon_server.telemetry.lasting_threads import LastResort
from symbolon_server.telemetry.metrics import STREAM_ANSWERS, STREAMS
from symbolon_server.telemetry.tracing.spans import Span, child, current_span, within

METHOD: Final = "SymbolicateStream"

FLOW: Final = FlowLimits(max_requests=32, max_bytes=4 << 20)
"""What each stream may hold: enough that threads do not wait for requests in transit."""

_WAITING_SHARE: Final = 2
"""One in so many requests of a stream, and one in so many threads, may wait."""

_CALLERS_SHARE: Final = 2
"""One caller may hold one in so many streams."""

_RETRY_AFTER_FULL_SECONDS: Final = 1.0
_RETRY_AFTER_STOP_SECONDS: Final = 0.5

_UNREAD: Final = "the server is full: callers have not read too many of its answers; send it again"
_RESPONSE = SymbolicateStreamResponse.RESPONSE_FIELD_NUMBER
_ANSWERED = STREAM_ANSWERS.labels(grpc.StatusCode.OK.name)


@dataclass(frozen=True, slots=True)
class _Stream:
    """An open stream, and what its requests share."""

    flow: StreamFlow
    queue: WorkQueue
    waiting_room: WaitingRoom
    unread: Unread
    context: grpc.ServicerContext
    caller_name: str
    span: Span | None
    """The span of the call, of which each answer is a part."""

    @property
    def caller(self) -> Caller:
        """The caller of the stream."""
        return Caller(lambda: self.caller_name, self.is_gone)

    def is_gone(self) -> bool:
        """Return whether the caller has left."""
        return self.flow.is_closed

    @contextmanager
    def may_wait(self, stop: Callable[[], None]) -> Iterator[bool]:
        """Enter the stream's part of the waiting room; call `stop` when the caller is gone."""
        with self.waiting_room.enter(self.caller_name) as is_place, self.flow.waiting(stop):
            yield is_place


@dataclass(frozen=True, slots=True, eq=False)
class StreamPlace:
    """The place of one open stream."""

    flow: StreamFlow
    caller: str
    cancel: Callable[[], object]
    """Ends the stream, whatever its caller does."""


class StreamPlaces:
    """How many streams a process and one caller may hold; one lock guards it."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._of_one = max(1, places // _CALLERS_SHARE)
        self._lock = threading.Lock()
        self._open: set[StreamPlace] = set()

    def enter(self, place: StreamPlace) -> str:
        """Take a place; return why that is refused, or an empty string.

        Without a free place, streams that their callers have stopped reading are cancelled: all of
        them if the server is full, otherwise only those of this caller.
        """
        with self._lock:
            of_caller = sum(other.caller == place.caller for other in self._open)
            is_full = len(self._open) >= self._places
            if not is_full and of_caller < self._of_one:
                self._open.add(place)
                return ""
            in_the_way = [other for other in self._open if is_full or other.caller == place.caller]
        stuck = [other for other in in_the_way if other.flow.is_stuck()]
        for other in stuck:
            other.cancel()
        if is_full:
            return f"all {self._places} streams are in use"
        return f"one caller may hold {self._of_one} of the {self._places} streams"

    def leave(self, place: StreamPlace) -> None:
        """Give the place back."""
        with self._lock:
            self._open.discard(place)

    def flows(self) -> list[StreamFlow]:
        """Return the open streams."""
        with self._lock:
            return [place.flow for place in self._open]


class Streams:
    """All streams of a process.

    Each stream has one thread that takes requests and one that sends answers. The answers are
    made by threads that all streams share fairly, separate from those of unary calls. Half of
    these threads, and half of the requests that one stream may hold, may wait for ingests. So
    known modules are answered at once, whatever else the stream asks for; requests that may not
    wait are answered with pending modules.
    """

    def __init__(
        self,
        answerer: Answerer,
        max_streams: int,
        threads: int,
        unread: UnreadAnswers | None = None,
        *,
        idle_seconds: float = FLOW.idle_seconds,
        name_caller: NameCaller = name_of_peer,
    ) -> None:
        """Answer at most `max_streams` at a time, with `threads` threads.

        Answers count as `unread` until they have left. Streams end after `idle_seconds` without
        traffic. Each caller that `name_caller` distinguishes may hold half of the streams.
        """
        self._flow_limits = replace(FLOW, idle_seconds=idle_seconds)
        self._name_caller = name_caller
        self._places = StreamPlaces(max_streams)
        self._answerer = answerer
        self._unread = unread or UnreadAnswers()
        self._threads = FairThreads(threads, "stream-answer")
        self._takers = ThreadPoolExecutor(max_streams, thread_name_prefix="stream-take")
        # One thread more, to refuse streams.
        self._senders = ThreadPoolExecutor(max_streams + 1, thread_name_prefix="stream-send")
        self._waiting_room = WaitingRoom(max(1, threads // _WAITING_SHARE))
        self._taking = LastResort("stream-take")
        self._answering = LastResort("stream-answer")
        self._is_stopping = False

    def handler(self) -> InPool:
        """Return the method's function, which has threads of its own."""
        return InPool(self._answer, self._senders)

    def stop(self) -> None:
        """End every stream after the requests it has taken are answered: the server is stopping."""
        self._is_stopping = True
        for flow in self._places.flows():
            flow.stop()

    def close(self) -> None:
        """End the threads; all streams have ended."""
        self._senders.shutdown()
        self._takers.shutdown()
        self._threads.close()

    def _answer(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        """Yield the encoded responses of one stream."""
        flow = StreamFlow(self._flow_limits)
        name = self._name_caller(context)
        with self._entered(flow, context, name), self._opened(context, name) as unread:
            if context.add_callback(flow.close):
                room = WaitingRoom(FLOW.max_requests // _WAITING_SHARE, self._waiting_room)
                stream = _Stream(flow, WorkQueue(), room, unread, context, name, current_span())
                self._takers.submit(self._take, requests, stream)
                for answer in flow.answers():
                    yield answer
                    self._unread.leave(unread, len(answer))
        if flow.is_cut_short and not flow.is_closed:
            _refuse_more(context, self._why_cut_short(flow))

    def _why_cut_short(self, flow: StreamFlow) -> str:
        if flow.is_idle:
            return f"the stream was idle for {self._flow_limits.idle_seconds:g} s; open another one"
        if self._is_stopping:
            return "the server is stopping"
        return "the server failed to read the next request"

    @contextmanager
    def _opened(self, context: grpc.ServicerContext, name: str) -> Iterator[Unread]:
        unread = self._unread.open(context.cancel, name)
        try:
            yield unread
        finally:
            self._unread.close(unread)

    @contextmanager
    def _entered(
        self, flow: StreamFlow, context: grpc.ServicerContext, name: str
    ) -> Iterator[None]:
        """Hold a place for a stream within the context; end the call if all are taken."""
        place = StreamPlace(flow, name, context.cancel)
        why_not = self._places.enter(place)
        if why_not:
            message = f"the server is full: {why_not}"
            code = grpc.StatusCode.RESOURCE_EXHAUSTED
            refuse_for_now(context, code, message, _RETRY_AFTER_FULL_SECONDS)
        if self._is_stopping:  # checked after taking the place, so that no stream is missed
            flow.stop()
        STREAMS.inc()
        try:
            yield
        finally:
            STREAMS.dec()
            self._places.leave(place)

    def _take(self, requests: Iterator[bytes], stream: _Stream) -> None:
        """Take requests while there is room for them, until the last."""
        try:
            while stream.flow.wait_for_room():
                data = next(requests, None)
                if data is None:
                    stream.flow.end()
                    return
                if stream.flow.take(len(data)):
                    self._threads.submit(stream.queue, partial(self._answer_one, data, stream))
        except grpc.RpcError:
            stream.flow.close()  # the caller has cancelled it
        except Exception as error:  # noqa: BLE001 # the last resort of a stream
            self._taking.note(error)
            stream.flow.stop()

    def _answer_one(self, data: bytes, stream: _Stream) -> None:
        if stream.span is None:
            self._put_answer(data, stream)
            return
        with within(stream.span), child("answer"):
            self._put_answer(data, stream)

    def _put_answer(self, data: bytes, stream: _Stream) -> None:
        if stream.is_gone():
            return
        try:
            with suppress(CallerGoneError):
                stream.flow.put(len(data), self._response_to(data, stream))
        except Exception as error:  # noqa: BLE001 # the last resort of a stream
            self._answering.note(error)
            stream.context.cancel()  # a request without an answer would keep the stream open

    def _response_to(self, data: bytes, stream: _Stream) -> bytes:
        """Return the encoded response to one request: an answer or an error."""
        try:
            request = read_stream_request(data)
        except DecodeError:
            message = "is not a symbolon.v1.SymbolicateStreamRequest"
            return self._refuse(stream, "", grpc.StatusCode.INVALID_ARGUMENT, message)
        try:
            answer = self._answer_request(request, stream)
        except CallerGoneError:
            raise
        except InvalidRequestError as error:
            return self._refuse(stream, request.id, grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except Exception as error:  # noqa: BLE001 # the last resort of a request
            message = log_defect(error, METHOD, request_id_of(stream.context))
            return self._refuse(stream, request.id, grpc.StatusCode.INTERNAL, message)
        if answer is None:
            code = grpc.StatusCode.RESOURCE_EXHAUSTED
            return self._refuse(stream, request.id, code, _UNREAD)
        _ANSWERED.inc()
        return answer

    def _answer_request(self, request: RawStreamRequest, stream: _Stream) -> bytes | None:
        """Return the encoded response with an answer, or None if there is no room for it."""
        check_id(request)
        if not self._unread.may_answer(stream.caller_name):
            return None
        remaining_seconds = stream.context.time_remaining()
        answer = self._answerer.answer(
            request.request, remaining_seconds, stream.may_wait, stream.caller
        )
        start = wire.message_start(_RESPONSE, len(answer))
        response = b"".join([wire.bytes_field(1, request.id.encode()), start, answer])
        return response if self._unread.add(stream.unread, len(response)) else None

    def _refuse(
        self, stream: _Stream, request_id: str, code: grpc.StatusCode, message: str
    ) -> bytes:
        """Return the encoded response that says why the request with this id has no answer."""
        STREAM_ANSWERS.labels(code.name).inc()
        error = StreamError(code=StatusCode.ValueType(code.value[0]), message=message)
        response = SymbolicateStreamResponse(id=request_id, error=error).SerializeToString()
        self._unread.add_refusal(stream.unread, len(response))
        return response


def _refuse_more(context: grpc.ServicerContext, why: str) -> Never:
    """End a stream that takes no more requests."""
    message = f"{why}; send unanswered requests again"
    refuse_for_now(context, grpc.StatusCode.UNAVAILABLE, message, _RETRY_AFTER_STOP_SECONDS)
