"""The SymbolicationService: stacks in, functions and lines out."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import grpc

from symbolon.v1 import symbolication_service_pb2 as pb
from symbolon_server.rpc.access.access import NameCaller, name_of_peer
from symbolon_server.rpc.calls.status import InvalidRequestError, refuse_invalid, refuse_plainly
from symbolon_server.rpc.symbolicate.answering import Answerer
from symbolon_server.rpc.symbolicate.streams import Streams
from symbolon_server.rpc.symbolicate.waiting import WaitingRoom
from symbolon_server.symbolication.looking_up.caller import Caller, CallerGoneError

SERVICE = pb.DESCRIPTOR.services_by_name["SymbolicationService"].full_name


class SymbolicationService:
    """Answers calls in their own threads, and streams in those of `Streams`."""

    def __init__(
        self,
        answerer: Answerer,
        waiting_room: WaitingRoom,
        streams: Streams,
        name_caller: NameCaller = name_of_peer,
    ) -> None:
        """Let the callers that `name_caller` distinguishes take turns in the queue."""
        self._name_caller = name_caller
        self._answerer = answerer
        self._waiting_room = waiting_room
        self._streams = streams

    def add_to(self, server: grpc.Server) -> str:
        """Register the service and return its name.

        Generated code is not used: it would parse every frame and serialize every answer.
        """
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Symbolicate": grpc.unary_unary_rpc_method_handler(self.Symbolicate),
            "SymbolicateStream": grpc.stream_stream_rpc_method_handler(self._streams.handler()),
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
