"""Every call with one request and one response: its method, its request, and how to decode it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from google.protobuf.wrappers_pb2 import Int32Value, StringValue

from symbolon._messages.decoding import decode, decode_invalidated_modules, decode_module_result
from symbolon._messages.encoding import check_list, make_module
from symbolon.errors import InvalidRequestError
from symbolon.reports import Module
from symbolon.results import (
    MissingModules,
    ModuleInfo,
    ModuleOutcome,
    ModuleResult,
    Queue,
    StoreInfo,
)
from symbolon.v1 import module_pb2, module_service_pb2, store_service_pb2

if TYPE_CHECKING:  # see `explain_frame`
    from symbolon.explanations import Explanation

T = TypeVar("T")

HEALTH_CHECK = "/grpc.health.v1.Health/Check"
"""The standard health check, without its package: on the wire its request, one string, is a
`StringValue`, and its response, one enum, an `Int32Value`."""

SERVING = 1
"""`grpc.health.v1.HealthCheckResponse.SERVING`."""


class Call(NamedTuple, Generic[T]):
    """One call."""

    find_method: Callable[[Any], Callable[..., Any]]
    """Returns the method of a client."""

    request: Any
    decode: Callable[[Any], T]


def get_module(module: Module) -> Call[ModuleInfo]:
    """Return the call for what is known of a module."""
    return Call(
        lambda client: client.stubs.modules.GetModule,
        module_service_pb2.GetModuleRequest(module=make_module(module)),
        partial(decode, ModuleInfo),
    )


def prefetch_modules(modules: Sequence[Module]) -> Call[tuple[ModuleResult, ...]]:
    """Return the call that queues modules for ingest."""
    return Call(
        lambda client: client.stubs.modules.PrefetchModules,
        module_service_pb2.PrefetchModulesRequest(modules=_make_modules(modules)),
        lambda response: tuple(map(decode_module_result, response.modules)),
    )


def invalidate_modules(modules: Sequence[Module]) -> Call[tuple[ModuleOutcome, ...]]:
    """Return the call that invalidates modules on all servers."""
    return Call(
        lambda client: client.stubs.modules.InvalidateModules,
        module_service_pb2.InvalidateModulesRequest(modules=_make_modules(modules)),
        decode_invalidated_modules,
    )


def list_missing_modules(limit: int) -> Call[MissingModules]:
    """Return the call for the modules that no supplier has."""
    return Call(
        lambda client: client.stubs.modules.ListMissingModules,
        _make(module_service_pb2.ListMissingModulesRequest, limit=limit),
        partial(decode, MissingModules),
    )


def get_queue() -> Call[Queue]:
    """Return the call for the state of the queue."""
    return Call(
        lambda client: client.stubs.modules.GetQueue,
        module_service_pb2.GetQueueRequest(),
        partial(decode, Queue),
    )


def explain_frame(
    module: Module,
    module_offset: int,
    is_return_address: bool,
    ranges_around: int,
    with_linkage_names: bool,
) -> Call[Explanation]:
    """Return the call that explains the answer for one frame."""
    from symbolon.explanations import Explanation  # noqa: PLC0415 # hardly any program needs it

    return Call(
        lambda client: client.stubs.modules.ExplainFrame,
        _make(
            module_service_pb2.ExplainFrameRequest,
            module=make_module(module),
            module_offset=module_offset,
            is_return_address=is_return_address,
            ranges_around=ranges_around,
            with_linkage_names=with_linkage_names,
        ),
        partial(decode, Explanation),
    )


def get_store_info() -> Call[StoreInfo]:
    """Return the call for the state of the Redis servers and of the server's own tiers."""
    return Call(
        lambda client: client.stubs.stores.GetStoreInfo,
        store_service_pb2.GetStoreInfoRequest(),
        partial(decode, StoreInfo),
    )


def is_serving(service: object) -> Call[bool]:
    """Return the health check of one service; empty checks the server as a whole."""
    if not isinstance(service, str):  # protobuf would read None as empty
        raise InvalidRequestError(f"service: {service!r} is not a name")
    return Call(
        lambda client: client.channel.unary_unary(
            HEALTH_CHECK,
            request_serializer=StringValue.SerializeToString,
            response_deserializer=Int32Value.FromString,
        ),
        _make(StringValue, value=service),
        lambda response: bool(response.value == SERVING),
    )


def _make_modules(modules: Sequence[Module]) -> list[module_pb2.Module]:
    check_list("modules", modules)
    return [make_module(module, f"modules[{index}]") for index, module in enumerate(modules)]


def _make(kind: Callable[..., T], **values: Any) -> T:
    """Return a message; raise `InvalidRequestError` for values that it cannot hold."""
    try:
        return kind(**values)
    except (AttributeError, TypeError, ValueError) as error:
        raise InvalidRequestError(str(error)) from error
