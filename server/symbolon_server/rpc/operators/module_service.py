"""ModuleService: what the servers know about single modules, for pipelines and operators."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

import grpc

from symbolon.v1 import module_pb2, module_service_pb2_grpc
from symbolon.v1 import module_service_pb2 as pb
from symbolon_server.cache.keyed_cache import CacheUnavailableError
from symbolon_server.cache.missing_modules import MissingModules
from symbolon_server.ingest.queueing.queue import QueueFullError
from symbolon_server.ingest.queueing.queue_view import QueueView
from symbolon_server.rpc.access.access import NameCaller, name_of_peer
from symbolon_server.rpc.calls.status import (
    FieldViolation,
    refuse_for_now,
    refuse_invalid,
)
from symbolon_server.rpc.operators.encoding import (
    encode_explanation,
    encode_missing,
    encode_missing_frame,
    encode_queue,
    encode_report,
)
from symbolon_server.rpc.operators.methods import (
    add_service,
    find_explain_violations,
    find_modules_violations,
    find_number_violations,
    find_one_module_violations,
)
from symbolon_server.rpc.symbolicate.request import decode_module
from symbolon_server.rpc.symbolicate.response import encode_result
from symbolon_server.symbolication.explaining.explainer import FrameExplainer
from symbolon_server.symbolication.invalidator import Invalidator
from symbolon_server.symbolication.memory.queries import NO_MODULE_ID, ModuleQuery, ModuleResult
from symbolon_server.symbolication.module_lookup import ModuleLookup, ModuleReport, Prefetcher
from symbolon_server.symbols.ground.asked_modules import join_asked
from symbolon_server.symbols.ground.module_ids import ModuleId

_SERVICE = pb.DESCRIPTOR.services_by_name["ModuleService"]

MOST_LISTED: Final = 10_000
"""The most missing modules that are remembered."""

_LISTED: Final = 100
"""Missing modules listed by default."""

_RANGES: Final = 3
"""Ranges listed on either side of a frame's own by default."""

_OTHER_FIELDS: Final = 100
"""Of a request besides its modules: more than any client sends, even a newer one."""

_RETRY_AFTER_SECONDS: Final = 1.0
"""When to retry while the cache is unavailable."""

_RETRY_AFTER_FULL_SECONDS: Final = 5.0
"""When to retry while the queue is full."""


class ModuleTools(NamedTuple):
    """What the service works with. All methods but `explain` raise `CacheUnavailableError`."""

    lookup: ModuleLookup
    prefetcher: Prefetcher
    invalidator: Invalidator
    explainer: FrameExplainer
    missing: MissingModules
    queue: QueueView


class ModuleService(module_service_pb2_grpc.ModuleServiceServicer):
    """Reports, invalidates, prefetches and explains modules."""

    def __init__(
        self, tools: ModuleTools, max_modules: int, name_caller: NameCaller = name_of_peer
    ) -> None:
        """Take at most `max_modules` in one request; callers with different names take turns."""
        self._tools = tools
        self._name_caller = name_caller
        self._max_modules = max_modules

    def add_to(self, server: grpc.Server) -> str:
        """Register the service and return its name."""
        return add_service(server, self, _SERVICE, _OTHER_FIELDS, self._max_modules)

    def GetModule(  # noqa: N802 # the name in the .proto file
        self, request: pb.GetModuleRequest, context: grpc.ServicerContext
    ) -> pb.GetModuleResponse:
        """Return what is known of one module."""
        _refuse_any(context, find_one_module_violations(request))
        module_id = decode_module(request.module).module_id
        if module_id is None:
            return pb.GetModuleResponse(
                outcome=module_pb2.MODULE_OUTCOME_MISSING, detail=NO_MODULE_ID.detail
            )
        with _translated(context):
            (report,) = self._tools.lookup.get_modules([module_id])
        return encode_report(module_id, report)

    def PrefetchModules(  # noqa: N802 # the name in the .proto file
        self, request: pb.PrefetchModulesRequest, context: grpc.ServicerContext
    ) -> pb.PrefetchModulesResponse:
        """Queue the modules that are unknown, and return what is known."""
        modules = self._decode(request.modules, context)
        asked = join_asked(module.asked for module in modules)
        with _translated(context):
            found = self._tools.prefetcher.prefetch(
                list(asked.values()), self._name_caller(context)
            )
            reports = dict(zip(asked, found, strict=True))
        results = _results_of(modules, reports)
        return pb.PrefetchModulesResponse(modules=map(encode_result, results))

    def InvalidateModules(  # noqa: N802 # the name in the .proto file
        self, request: pb.InvalidateModulesRequest, context: grpc.ServicerContext
    ) -> pb.InvalidateModulesResponse:
        """Forget the modules on all servers, and return what was known of them."""
        modules = self._decode(request.modules, context)
        known = list(join_asked(module.asked for module in modules))
        with _translated(context):
            reports = dict(zip(known, self._tools.lookup.get_modules(known), strict=True))
            self._tools.invalidator.invalidate(known)
        results = _results_of(modules, reports)
        outcomes = [module_pb2.ModuleOutcome.ValueType(result.outcome) for result in results]
        return pb.InvalidateModulesResponse(
            modules=[pb.InvalidatedModule(previous_outcome=outcome) for outcome in outcomes]
        )

    def ListMissingModules(  # noqa: N802 # the name in the .proto file
        self, request: pb.ListMissingModulesRequest, context: grpc.ServicerContext
    ) -> pb.ListMissingModulesResponse:
        """Return modules that no supplier has, the most requested first."""
        _refuse_any(context, find_number_violations("limit", request.limit, MOST_LISTED))
        with _translated(context):
            modules, total = self._tools.missing.list(request.limit or _LISTED)
        return pb.ListMissingModulesResponse(modules=map(encode_missing, modules), total=total)

    def GetQueue(  # noqa: N802 # the name in the .proto file
        self, request: pb.GetQueueRequest, context: grpc.ServicerContext
    ) -> pb.GetQueueResponse:
        """Return the state of the queue."""
        del request
        with _translated(context):
            return encode_queue(self._tools.queue.read())

    def ExplainFrame(  # noqa: N802 # the name in the .proto file
        self, request: pb.ExplainFrameRequest, context: grpc.ServicerContext
    ) -> pb.ExplainFrameResponse:
        """Return everything that leads to the answer for one frame."""
        _refuse_any(context, find_explain_violations(request))
        module = decode_module(request.module)
        lookup = request.module_offset, request.is_return_address
        if (module_id := module.module_id) is None:
            return encode_missing_frame(module.debug_file, lookup)
        if request.with_linkage_names:
            module_id = module_id.with_linkage_names
        around = request.ranges_around or _RANGES
        explanation = self._tools.explainer.explain(module_id, lookup, around)
        return encode_explanation(module_id, explanation)

    def _decode(
        self, modules: Sequence[module_pb2.Module], context: grpc.ServicerContext
    ) -> list[ModuleQuery]:
        """Return the modules in order; end the call if a rule is broken."""
        _refuse_any(context, find_modules_violations(modules, self._max_modules))
        return [decode_module(module) for module in modules]


def _results_of(
    modules: Sequence[ModuleQuery], reports: Mapping[ModuleId, ModuleReport]
) -> list[ModuleResult]:
    """Return the result of each module, in order."""
    ids = [module.module_id for module in modules]
    return [NO_MODULE_ID if known is None else reports[known].result() for known in ids]


def _refuse_any(context: grpc.ServicerContext, violations: Sequence[FieldViolation]) -> None:
    if violations:
        refuse_invalid(context, violations)


@contextmanager
def _translated(context: grpc.ServicerContext) -> Iterator[None]:
    """End the call with UNAVAILABLE or RESOURCE_EXHAUSTED if cache or queue fail."""
    try:
        yield
    except QueueFullError:
        message, code = "the queue is full", grpc.StatusCode.RESOURCE_EXHAUSTED
        refuse_for_now(context, code, message, _RETRY_AFTER_FULL_SECONDS)
    except CacheUnavailableError:
        message, code = "the cache is unavailable", grpc.StatusCode.UNAVAILABLE
        refuse_for_now(context, code, message, _RETRY_AFTER_SECONDS)
