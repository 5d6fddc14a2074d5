"""A call as gRPC hands it to a thread pool, with messages that need no waiting thread.

gRPC blocks one thread of the pool until the message of a call arrives, and one more for every
message of a stream, for as long as the caller likes. Here, callbacks on gRPC's serving thread do
that work: they run when a message has arrived or has been sent.

This is the only module that uses internals of grpc. They have not changed since 2018; if they
do, `tests/rpc/calls/test_silent_callers.py` fails.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from grpc import _server as grpc_server
from grpc._cython import cygrpc  # type: ignore[attr-defined] # compiled, without stubs

from symbolon_server.telemetry.logs import EventLog

if TYPE_CHECKING:  # both count accepted calls
    from symbolon_server.rpc.calls.arrivals import AwaitedCalls
    from symbolon_server.rpc.calls.call_limits import CallLimit

Behavior = Callable[[Any, Any], Any]
"""A method's function: takes its message, or its messages, and the context."""

Arrived = Callable[[Any], None]
"""Takes a message, or None if no more will come; runs on gRPC's serving thread."""

_log = EventLog(__name__)

_NO_FLAGS = 0
_SENT = "send_message"

_TAKEN: Final[Future[Any]] = Future()
"""The result for every call handed to `Intake`: gRPC only looks whether it was accepted."""

_TAKEN.set_result(None)


class AcceptedCall:
    """One call; made on the serving thread from the arguments that gRPC passes to `submit`."""

    __slots__ = ("_answer_by", "_argument", "_codecs", "_event", "_run", "_state", "behavior")

    def __init__(
        self,
        run: Callable[..., Any],
        answer_by: Callable[..., Any],
        event: Any,
        state: Any,
        behavior: Behavior,
        _argument: Callable[[], Any],
        *codecs: Callable[[Any], Any] | None,
    ) -> None:
        self._run = run
        self._answer_by = answer_by
        self._event = event
        self._state = state
        self._codecs = codecs
        self.behavior = behavior

    def is_active(self) -> bool:
        """Return whether an answer can still reach the caller."""
        with self._state.condition:
            return bool(grpc_server._is_rpc_state_active(self._state))

    def address(self) -> str:
        """Return the caller's address as gRPC names it, without the port."""
        return str(self._event.call.peer().decode().rpartition(":")[0])

    def receive(self, arrived: Arrived) -> bool:
        """Call `arrived` with the next message; return False if the call is over."""
        state, call = self._state, self._event.call
        note = grpc_server._receive_message(state, call, self._codecs[0])

        def receive(event: Any) -> Any:
            ended = note(event)
            message, state.request = state.request, None
            _call_safely(arrived, message)
            return ended

        with state.condition:
            # A call that is over may have been finished, and must not be finished twice.
            if not grpc_server._is_rpc_state_active(state):
                return False
            call.start_server_batch((cygrpc.ReceiveMessageOperation(_NO_FLAGS),), receive)
            state.due.add(grpc_server._RECEIVE_MESSAGE_TOKEN)
            return True

    def answer(self, message: Any, behavior: Behavior | None = None) -> None:
        """Answer a message with the call's own function, or with `behavior`."""
        behavior = behavior or self.behavior
        self._run(
            self._answer_by, self._event, self._state, behavior, lambda: message, *self._codecs
        )

    def refuse(self, refusal: Behavior) -> None:
        """End the call with a function that aborts it, unless it has ended."""
        with self._state.condition:
            if grpc_server._is_rpc_state_active(self._state):
                self.answer(b"", refusal)

    def send(self, message: Any, left: Callable[[], None]) -> None:
        """Send one message of a stream and call `left` once it has been sent.

        Send the next message only after that.
        """
        state = self._state

        def sent(_event: Any) -> Any:
            with state.condition:
                ended = grpc_server._possibly_finish_call(state, _SENT)
            _call_safely(left)
            return ended

        serialized = self._codecs[1](message) if self._codecs[1] else message
        with state.condition:
            if not grpc_server._is_rpc_state_active(state):
                return
            operations = [cygrpc.SendMessageOperation(serialized, _NO_FLAGS)]
            if state.initial_metadata_allowed:
                operations.insert(0, grpc_server._get_initial_metadata_operation(state, None))
                state.initial_metadata_allowed = False
            self._event.call.start_server_batch(operations, sent)
            state.due.add(_SENT)

    def end(self) -> None:
        """End a stream with OK."""
        with self._state.condition:
            if grpc_server._is_rpc_state_active(self._state):
                grpc_server._status(self._event, self._state, None)

    def cancel(self) -> None:
        """End the call at once; messages that have not been sent are dropped."""
        self._event.call.cancel()

    def when_over(self, callback: Callable[[], None]) -> bool:
        """Call `callback` when the call is over; return False if it already is."""
        with self._state.condition:
            if self._state.callbacks is None:
                return False
            self._state.callbacks.append(callback)
            return True


class Intake(ThreadPoolExecutor):
    """Takes the place of gRPC's thread pool, and passes each call to `take`.

    gRPC submits every accepted call exactly once, on its serving thread.
    """

    def __init__(self, take: Callable[[AcceptedCall], None]) -> None:
        super().__init__(max_workers=1)  # which never starts
        self._take = take

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_kwargs: Any) -> Future[Any]:
        """Take a call."""
        self._take(AcceptedCall(fn, *args))
        return _TAKEN


class CallPool(Intake):
    """The threads that answer calls. A call gets one once its message has arrived.

    The limit is checked then, too: all waiting calls may have started while there was room.
    """

    def __init__(self, threads: int, limit: CallLimit, awaited: AwaitedCalls) -> None:
        super().__init__(partial(awaited.expect, begin=self.begin))
        self._limit = limit
        self._answering = ThreadPoolExecutor(threads, thread_name_prefix="call")

    def begin(self, call: AcceptedCall, message: Any) -> None:
        """Queue a call whose message has arrived."""
        if self._limit.enter():
            self._answering.submit(self._answer, call, message)
        else:
            self._limit.refuse(call)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the threads once all accepted calls are answered."""
        self._answering.shutdown(wait, cancel_futures=cancel_futures)

    def _answer(self, call: AcceptedCall, message: Any) -> None:
        try:
            if call.is_active():  # it may have waited for its thread
                call.answer(message)
        finally:
            self._limit.leave()


@dataclass(frozen=True)
class InPool:
    """A method's function that runs in its own pool instead of the server's.

    gRPC looks for the attribute `experimental_thread_pool` on each function.
    """

    behavior: Behavior
    experimental_thread_pool: ThreadPoolExecutor

    def __call__(self, request: Any, context: Any) -> Any:
        """Answer as the function does."""
        return self.behavior(request, context)


def _call_safely(callback: Callable[..., None], *arguments: Any) -> None:
    """Call `callback`; whatever it raises, gRPC's serving thread must survive."""
    try:
        callback(*arguments)
    except Exception as error:  # noqa: BLE001 # the last resort
        _log.error("message_not_taken", exception=error)
