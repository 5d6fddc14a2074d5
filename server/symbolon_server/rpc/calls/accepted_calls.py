"""A call as gRPC gives it to its pool, whose messages come and go without a thread.

gRPC's own way has a thread of the pool wait for the message of a call, and another for each one
of a stream, for as long as its caller likes. What it does with its thread is done here by what
gRPC's serving thread calls when a message is there, or has left.

This is the one module that uses inner parts of grpc. They have been as they are since 2018; were
they to change, `tests/rpc/calls/test_silent_callers.py` fails.
"""

from collections.abc import Callable
from typing import Any

from grpc import _server as grpc_server
from grpc._cython import cygrpc  # type: ignore[attr-defined] # compiled, without stubs

from symbolon_server.telemetry.logs import EventLog

Behavior = Callable[[Any, Any], Any]
"""A method's function: takes its message, or its messages, and the context."""

Arrived = Callable[[Any], None]
"""Takes a message, or None where none will come any more; called by gRPC's serving thread."""

_log = EventLog(__name__)

_NO_FLAGS = 0
_SENT = "send_message"


class AcceptedCall:
    """One call; made of what gRPC gives to `submit`, by the serving thread."""

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
        """Tell whether the caller can be answered."""
        with self._state.condition:
            return bool(grpc_server._is_rpc_state_active(self._state))

    def address(self) -> str:
        """Return the address of the caller as gRPC names it, without its port."""
        return str(self._event.call.peer().decode().rpartition(":")[0])

    def receive(self, arrived: Arrived) -> bool:
        """Have `arrived` called with the next message; return False where the call is over."""
        state, call = self._state, self._event.call
        note = grpc_server._receive_message(state, call, self._codecs[0])

        def receive(event: Any) -> Any:
            ended = note(event)
            message, state.request = state.request, None
            _call_safely(arrived, message)
            return ended

        with state.condition:
            # One that is over may be finished, and would be finished again.
            if not grpc_server._is_rpc_state_active(state):
                return False
            call.start_server_batch((cygrpc.ReceiveMessageOperation(_NO_FLAGS),), receive)
            state.due.add(grpc_server._RECEIVE_MESSAGE_TOKEN)
            return True

    def answer(self, message: Any, behavior: Behavior | None = None) -> None:
        """Answer a message by the call's function, or by another one."""
        behavior = behavior or self.behavior
        self._run(
            self._answer_by, self._event, self._state, behavior, lambda: message, *self._codecs
        )

    def refuse(self, refusal: Behavior) -> None:
        """End the call by a function that aborts it, unless it has ended."""
        with self._state.condition:
            if grpc_server._is_rpc_state_active(self._state):
                self.answer(b"", refusal)

    def send(self, message: Any, left: Callable[[], None]) -> None:
        """Send a message of a stream; have `left` called when it has left.

        One at a time: the next when the last has left.
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
        """End a stream as all right."""
        with self._state.condition:
            if grpc_server._is_rpc_state_active(self._state):
                grpc_server._status(self._event, self._state, None)

    def cancel(self) -> None:
        """End the call at once; what has not left never does."""
        self._event.call.cancel()

    def when_over(self, callback: Callable[[], None]) -> bool:
        """Have `callback` called when the call is over; return False where it is already."""
        with self._state.condition:
            if self._state.callbacks is None:
                return False
            self._state.callbacks.append(callback)
            return True


def _call_safely(hear: Callable[..., None], *heard: Any) -> None:
    """Call what hears of a message; gRPC's serving thread goes on whatever it raises."""
    try:
        hear(*heard)
    except Exception as error:  # noqa: BLE001 # the last resort
        _log.error("message_not_taken", exception=error)
