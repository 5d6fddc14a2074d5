"""The ModuleService: what the servers know of single modules, for pipelines and operators."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

import grpc

from symbolon.v1 import module_pb2, module_service_pb2_grpc
from symbolon.v1 import module_service_pb2 as pb
from symbolon_server.cache.keyed_cache import CacheUnavailableError
from symbolon_server.cache.missing_modules import MissingModule
from symbolon_server.ingest.queueing.queue import QueueFullError
from symbolon_server.ingest.queueing.queue_view import QueueOverview
from symbolon_server.rpc.access.access import NameCaller, name_of_peer
from symbolon_server.rpc.calls.status import (
    FieldViolation,
    refuse_for_now,
    refuse_invalid,
)
from symbolon_server.rpc.operators.explanation_encoding import encode_explanation
from symbolon_server.rpc.operators.methods import add_methods, method_handler
from symbolon_server.rpc.operators.module_encoding import (
    encode_missing,
    encode_queue,
    encode_report,
)
from symbolon_server.rpc.symbolicate.decoding import decode_module, decode_module_id
from symbolon_server.rpc.symbolicate.encoding import encode_result
from symbolon_server.rpc.symbolicate.validation import (
    find_explain_violations,
    find_modules_violations,
    find_number_violations,
    find_one_module_violations,
)
from symbolon_server.symbolication.explaining.explanation import Explanation
from symbolon_server.symbolication.memory.queries import NO_MODULE_ID, ModuleQuery, ModuleResult
from symbolon_server.symbolication.module_lookup import ModuleReport
from symbolon_server.symbols.ground.asked_modules import AskedModule, join_asked
from symbolon_server.symbols.ground.module_ids import ModuleId

SERVICE = pb.DESCRIPTOR.services_by_name["ModuleService"].full_name

MOST_LISTED: Final = 10_000
"""As many as are remembered."""

_LISTED: Final = 100
"""When the caller does not say how many."""

_RANGES: Final = 3
"""Ranges explained before and after a frame's own, when the caller does not say how many."""

_OTHER_FIELDS: Final = 100
"""Of a request besides its modules: more than any client has, also one newer than the server."""

_RETRY_AFTER_SECONDS: Final = 1.0
"""When to ask again while the cache does not answer."""

_RETRY_AFTER_FULL_SECONDS: Final = 5.0
"""When to ask again for modules that the queue has no room for."""


class ModuleLookup(Protocol):
    """What knows modules."""

    def get_modules(self, module_ids: Sequence[ModuleId]) -> list[ModuleReport]:
        """Return what is known of each; raise `CacheUnavailableError`."""


@dataclass(frozen=True, slots=True)
class ModuleTasks:
    """What the service has others do; each raises `CacheUnavailableError`."""

    lookup: ModuleLookup

    prefetch: Callable[[Sequence[AskedModule], str], Sequence[ModuleReport]]
    """Queues what is not known, and returns what is; raises `QueueFullError`."""

    invalidate: Callable[[Collection[ModuleId]], None]

    explain: Callable[[ModuleId, tuple[int, bool], int], Explanation]
    """Explains a frame with so many ranges around it; raises nothing."""

    list_missing: Callable[[int], tuple[Sequence[MissingModule], int]]
    """Returns at most so many, and how many there are."""

    read_queue: Callable[[], QueueOverview]


class ModuleService(module_service_pb2_grpc.ModuleServiceServicer):
    """Tells what is known of modules, forgets it, and has it fetched ahead."""

    def __init__(
        self, tasks: ModuleTasks, max_modules: int, name_caller: NameCaller = name_of_peer
    ) -> None:
        """Take at most `max_modules` in one request; callers that are told apart take turns."""
        self._tasks = tasks
        self._name_caller = name_caller
        self._max_modules = max_modules

    def add_to(self, server: grpc.Server) -> str:
        """Register the service and return its name."""
        many = self._max_modules + _OTHER_FIELDS
        handlers = {
            "GetModule": method_handler(self.GetModule, pb.GetModuleRequest, _OTHER_FIELDS),
            "PrefetchModules": method_handler(
                self.PrefetchModules, pb.PrefetchModulesRequest, many
            ),
            "InvalidateModules": method_handler(
                self.InvalidateModules, pb.InvalidateModulesRequest, many
            ),
            "ListMissingModules": method_handler(
                self.ListMissingModules, pb.ListMissingModulesRequest, _OTHER_FIELDS
            ),
            "GetQueue": method_handler(self.GetQueue, pb.GetQueueRequest, _OTHER_FIELDS),
            "ExplainFrame": method_handler(
                self.ExplainFrame, pb.ExplainFrameRequest, _OTHER_FIELDS
            ),
        }
        add_methods(server, SERVICE, handlers)
        return SERVICE

    def GetModule(  # noqa: N802 # the name in the .proto file
        self, request: pb.GetModuleRequest, context: grpc.ServicerContext
    ) -> pb.GetModuleResponse:
        """Return what is known of one module."""
        _refuse_any(context, find_one_module_violations(request))
        module_id = decode_module_id(request.module)
        if module_id is None:
            return pb.GetModuleResponse(
                outcome=module_pb2.MODULE_OUTCOME_MISSING, detail=NO_MODULE_ID.detail
            )
        with _translated(context):
            (report,) = self._tasks.lookup.get_modules([module_id])
        return encode_report(module_id, report)

    def PrefetchModules(  # noqa: N802 # the name in the .proto file
        self, request: pb.PrefetchModulesRequest, context: grpc.ServicerContext
    ) -> pb.PrefetchModulesResponse:
        """Queue what is not known, and return what is."""
        modules = self._decode(request.modules, context)
        asked = join_asked(module.asked for module in modules)
        with _translated(context):
            found = self._tasks.prefetch(list(asked.values()), self._name_caller(context))
            reports = dict(zip(asked, found, strict=True))
        results = _results_of(modules, reports)
        return pb.PrefetchModulesResponse(modules=map(encode_result, results))

    def InvalidateModules(  # noqa: N802 # the name in the .proto file
        self, request: pb.InvalidateModulesRequest, context: grpc.ServicerContext
    ) -> pb.InvalidateModulesResponse:
        """Forget the modules, and return what was known of them."""
        modules = self._decode(request.modules, context)
        known = list(join_asked(module.asked for module in modules))
        with _translated(context):
            reports = dict(zip(known, self._tasks.lookup.get_modules(known), strict=True))
            self._tasks.invalidate(known)
        results = _results_of(modules, reports)
        outcomes = [module_pb2.ModuleOutcome.ValueType(result.outcome) for result in results]
        return pb.InvalidateModulesResponse(
            modules=[pb.InvalidatedModule(previous_outcome=outcome) for outcome in outcomes]
        )

    def ListMissingModules(  # noqa: N802 # the name in the .proto file
        self, request: pb.ListMissingModulesRequest, context: grpc.ServicerContext
    ) -> pb.ListMissingModulesResponse:
        """Return modules that no supplier has, those asked for most often first."""
        _refuse_any(context, find_number_violations("limit", request.limit, MOST_LISTED))
        with _translated(context):
            modules, total = self._tasks.list_missing(request.limit or _LISTED)
        return pb.ListMissingModulesResponse(modules=map(encode_missing, modules), total=total)

    def GetQueue(  # noqa: N802 # the name in the .proto file
        self, request: pb.GetQueueRequest, context: grpc.ServicerContext
    ) -> pb.GetQueueResponse:
        """Return what is on the queue."""
        del request
        with _translated(context):
            return encode_queue(self._tasks.read_queue())

    def ExplainFrame(  # noqa: N802 # the name in the .proto file
        self, request: pb.ExplainFrameRequest, context: grpc.ServicerContext
    ) -> pb.ExplainFrameResponse:
        """Return everything that leads to the answer for one frame."""
        _refuse_any(context, find_explain_violations(request))
        module_id = decode_module_id(request.module)
        if module_id is None:
            return pb.ExplainFrameResponse(module=encode_result(NO_MODULE_ID))
        lookup = request.module_offset, request.is_return_address
        explanation = self._tasks.explain(module_id, lookup, request.ranges_around or _RANGES)
        return encode_explanation(module_id, explanation)

    def _decode(
        self, modules: Sequence[module_pb2.Module], context: grpc.ServicerContext
    ) -> list[ModuleQuery]:
        """Return the modules in the order asked; end the call where a rule is broken."""
        _refuse_any(context, find_modules_violations(modules, self._max_modules))
        return [decode_module(module) for module in modules]


def _results_of(
    modules: Sequence[ModuleQuery], reports: Mapping[ModuleId, ModuleReport]
) -> list[ModuleResult]:
    """Return what became of each module, in the order asked."""
    ids = [module.module_id for module in modules]
    return [NO_MODULE_ID if known is None else reports[known].result() for known in ids]


def _refuse_any(context: grpc.ServicerContext, violations: Sequence[FieldViolation]) -> None:
    if violations:
        refuse_invalid(context, violations)


@contextmanager
def _translated(context: grpc.ServicerContext) -> Iterator[None]:
    """End the call as UNAVAILABLE or RESOURCE_EXHAUSTED for what can be wrong behind it."""
    try:
        yield
    except QueueFullError:
        message, code = "the queue is full", grpc.StatusCode.RESOURCE_EXHAUSTED
        refuse_for_now(context, code, message, _RETRY_AFTER_FULL_SECONDS)
    except CacheUnavailableError:
        message, code = "the cache does not answer", grpc.StatusCode.UNAVAILABLE
        refuse_for_now(context, code, message, _RETRY_AFTER_SECONDS)
