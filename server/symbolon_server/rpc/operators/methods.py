"""Methods whose requests are counted before they are decoded, and the rules of their requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, Never

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import DecodeError, Message

from symbolon_server.rpc.calls.status import FieldViolation, refuse_invalid
from symbolon_server.rpc.symbolicate.field_counts import has_more_fields
from symbolon_server.rpc.symbolicate.request import MAX_VIOLATIONS, exceeded, module_violations

if TYPE_CHECKING:  # generic in the stubs only
    from symbolon.v1 import module_pb2, module_service_pb2

    Handler = grpc.RpcMethodHandler[bytes, bytes]

MAX_RANGES_AROUND: Final = 100
"""Ranges that one explanation lists on either side of a frame's own."""


def add_service(
    server: grpc.Server,
    servicer: object,
    service: ServiceDescriptor,
    most_fields: int,
    max_modules: int = 0,
) -> str:
    """Register the methods of `servicer`, all unary, and return the name of the service.

    A request may have at most `most_fields` fields, and `max_modules` modules besides.
    """
    handlers = {}
    for method in service.methods:
        request = method.input_type
        most = most_fields + max_modules * ("modules" in request.fields_by_name)
        request_class = message_factory.GetMessageClass(request)
        handlers[method.name] = _handler(getattr(servicer, method.name), request_class, most)
    add_methods(server, service.full_name, handlers)
    return service.full_name


def _handler(
    method: Callable[[Any, grpc.ServicerContext], Message],
    request_class: type[Message],
    most_fields: int,
) -> Handler:
    """Return the handler of a method that counts the fields of a request before decoding it.

    Requests are decoded in the call's own thread: gRPC would decode them on its one serving
    thread, which all calls need.
    """

    def answer(data: bytes, context: grpc.ServicerContext) -> bytes:
        if has_more_fields(data, most_fields):
            _refuse(context, f"has more than {most_fields} fields")
        try:
            request = request_class.FromString(data)
        except DecodeError:
            _refuse(context, f"is not a {request_class.DESCRIPTOR.full_name}")
        return method(request, context).SerializeToString()

    return grpc.unary_unary_rpc_method_handler(answer)


def _refuse(context: grpc.ServicerContext, why: str) -> Never:
    refuse_invalid(context, [FieldViolation("request", why)])


def add_methods(server: grpc.Server, service: str, handlers: dict[str, Handler]) -> None:
    """Register the methods of a service."""
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    server.add_registered_method_handlers(service, handlers)


def find_one_module_violations(
    request: module_service_pb2.GetModuleRequest | module_service_pb2.ExplainFrameRequest,
) -> tuple[FieldViolation, ...]:
    """Return the rules that the one module of `request` breaks."""
    if not request.HasField("module"):
        return (FieldViolation("module", "must be set"),)
    return tuple(module_violations("module", request.module))


def find_explain_violations(
    request: module_service_pb2.ExplainFrameRequest,
) -> tuple[FieldViolation, ...]:
    """Return the rules that `request` breaks."""
    around = find_number_violations("ranges_around", request.ranges_around, MAX_RANGES_AROUND)
    return find_one_module_violations(request) + around


def find_modules_violations(
    modules: Sequence[module_pb2.Module], max_modules: int
) -> tuple[FieldViolation, ...]:
    """Return the first `MAX_VIOLATIONS` rules that the field `modules` of a request breaks."""
    if len(modules) > max_modules:
        return (exceeded("modules", len(modules), max_modules),)
    found = (module_violations(f"modules[{i}]", module) for i, module in enumerate(modules))
    return tuple(islice(chain.from_iterable(found), MAX_VIOLATIONS))


def find_number_violations(field: str, number: int, most: int) -> tuple[FieldViolation, ...]:
    """Return a violation if `number` is over its limit."""
    if number <= most:
        return ()
    return (FieldViolation(field, f"is {number}, the limit is {most}"),)
