"""Methods of generated code whose requests are counted before they are built."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Never, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from symbolon_server.rpc.calls.status import FieldViolation, refuse_invalid
from symbolon_server.rpc.symbolicate.validation import has_more_fields

if TYPE_CHECKING:  # generic in the stubs only
    Handler = grpc.RpcMethodHandler[bytes, bytes]

Request = TypeVar("Request", bound=Message)


def method_handler(
    method: Callable[[Request, grpc.ServicerContext], Message],
    request_class: type[Request],
    most_fields: int,
) -> Handler:
    """Return the handler of a unary method whose requests have at most so many fields.

    They are built in the call's own thread: gRPC would have its serving thread do it, which all
    calls need.
    """

    def answer(data: bytes, context: grpc.ServicerContext) -> bytes:
        if has_more_fields(data, most_fields):
            _refuse(context, f"has more than {most_fields} fields")
        try:
            request = request_class.FromString(data)
        except DecodeError:
            _refuse(context, f"is no {request_class.DESCRIPTOR.full_name}")
        return method(request, context).SerializeToString()

    return grpc.unary_unary_rpc_method_handler(answer)


def _refuse(context: grpc.ServicerContext, why: str) -> Never:
    refuse_invalid(context, [FieldViolation("request", why)])


def add_methods(server: grpc.Server, service: str, handlers: dict[str, Handler]) -> None:
    """Register the methods of a service."""
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    server.add_registered_method_handlers(service, handlers)
