"""Each call with one request and one answer: what is asked, how, and what is made of the answer.

The two clients share all of it and differ in how they wait.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from symbolon._calling import health
from symbolon._messages import wire
from symbolon._messages.encoding import check_list, make_module
from symbolon._messages.explanation_wire import decode_explanation
from symbolon.errors import InvalidRequestError
from symbolon.explanations import Explanation
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

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One call."""

    find_method: Callable[[Any], Callable[..., Any]]
    """Chooses the method of a client."""

    request: Any
    decode: Callable[[Any], T]


def get_module(debug_file: str, debug_id: str) -> Call[ModuleInfo]:
    """Ask what is known of a module."""
    module = make_module(Module(debug_file, debug_id))
    return Call(
        lambda client: client.stubs.modules.GetModule,
        module_service_pb2.GetModuleRequest(module=module),
        wire.decode_module_info,
    )


def prefetch_modules(modules: Sequence[Module]) -> Call[tuple[ModuleResult, ...]]:
    """Ask for the ingest of modules ahead of time."""
    return Call(
        lambda client: client.stubs.modules.PrefetchModules,
        module_service_pb2.PrefetchModulesRequest(modules=_make_modules(modules)),
        lambda response: tuple(map(wire.decode_module_result, response.modules)),
    )


def invalidate_modules(modules: Sequence[Module]) -> Call[tuple[ModuleOutcome, ...]]:
    """Ask to forget modules everywhere."""
    return Call(
        lambda client: client.stubs.modules.InvalidateModules,
        module_service_pb2.InvalidateModulesRequest(modules=_make_modules(modules)),
        wire.decode_invalidated_modules,
    )


def list_missing_modules(limit: int) -> Call[MissingModules]:
    """Ask which modules nobody has."""
    return Call(
        lambda client: client.stubs.modules.ListMissingModules,
        _make(module_service_pb2.ListMissingModulesRequest, limit=limit),
        wire.decode_missing_modules,
    )


def get_queue() -> Call[Queue]:
    """Ask what is on the queue."""
    return Call(
        lambda client: client.stubs.modules.GetQueue,
        module_service_pb2.GetQueueRequest(),
        wire.decode_queue,
    )


def explain_frame(
    debug_file: str,
    debug_id: str,
    module_offset: int,
    is_return_address: bool,
    ranges_around: int,
) -> Call[Explanation]:
    """Ask what leads to the answer for one frame."""
    return Call(
        lambda client: client.stubs.modules.ExplainFrame,
        _make(
            module_service_pb2.ExplainFrameRequest,
            module=make_module(Module(debug_file, debug_id)),
            module_offset=module_offset,
            is_return_address=is_return_address,
            ranges_around=ranges_around,
        ),
        decode_explanation,
    )


def _make_modules(modules: Sequence[Module]) -> list[module_pb2.Module]:
    check_list("modules", modules)
    return [make_module(module, f"modules[{index}]") for index, module in enumerate(modules)]


def _make(kind: Callable[..., T], **values: Any) -> T:
    """Return a message; raise `InvalidRequestError` for what it cannot hold."""
    try:
        return kind(**values)
    except (AttributeError, TypeError, ValueError) as error:
        raise InvalidRequestError(str(error)) from error


def get_store_info() -> Call[StoreInfo]:
    """Ask how the servers behind the server are doing."""
    return Call(
        lambda client: client.stubs.stores.GetStoreInfo,
        store_service_pb2.GetStoreInfoRequest(),
        wire.decode_store_info,
    )


def is_serving(service: str) -> Call[bool]:
    """Ask whether the server, or one of its services, serves."""
    return Call(
        lambda client: health.find_check(client.channel),
        _make(health.encode_check, service=service),
        health.is_serving,
    )
