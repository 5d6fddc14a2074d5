"""The ModuleService: what the servers know of single modules."""

from collections.abc import Callable
from typing import Protocol

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from symbolon.v1 import module_pb2, module_service_pb2_grpc
from symbolon.v1 import module_service_pb2 as pb
from symbolon_server.cache.failures import Failure, FailureKind
from symbolon_server.cache.keyed_cache import CacheUnavailableError
from symbolon_server.rpc.decoding import decode_module_id
from symbolon_server.rpc.encoding import encode_duration
from symbolon_server.rpc.status import refuse_for_now, refuse_invalid, refuse_unimplemented
from symbolon_server.rpc.validation import find_get_module_violations
from symbolon_server.symbolication.module_lookup import ModuleReport
from symbolon_server.symbols.module_ids import ModuleId
from symbolon_server.symbols.pages import PageDirectory

SERVICE = pb.DESCRIPTOR.services_by_name["ModuleService"].full_name

_RETRY_AFTER_SECONDS = 1.0
"""When to ask again while the cache does not answer."""

_OUTCOMES = {
    FailureKind.MISSING: module_pb2.MODULE_OUTCOME_MISSING,
    FailureKind.UNAVAILABLE: module_pb2.MODULE_OUTCOME_UNAVAILABLE,
    FailureKind.MALFORMED: module_pb2.MODULE_OUTCOME_MALFORMED,
}


class ModuleLookup(Protocol):
    """What knows modules."""

    def get_module(self, module_id: ModuleId) -> ModuleReport:
        """Return what is known; raise `CacheUnavailableError`."""


class ModuleService(module_service_pb2_grpc.ModuleServiceServicer):
    """Tells what is known of a module; starts no work."""

    def __init__(self, lookup: ModuleLookup, is_pending: Callable[[ModuleId], bool]) -> None:
        """Ask `lookup`, and `is_pending` whether a module's ingest is queued or under way.

        Both may raise `CacheUnavailableError`.
        """
        self._lookup = lookup
        self._is_pending = is_pending

    def add_to(self, server: grpc.Server) -> str:
        """Register the service and return its name."""
        module_service_pb2_grpc.add_ModuleServiceServicer_to_server(self, server)
        return SERVICE

    def GetModule(  # noqa: N802 # the name in the .proto file
        self, request: pb.GetModuleRequest, context: grpc.ServicerContext
    ) -> pb.GetModuleResponse:
        """Return what is known of one module."""
        violations = find_get_module_violations(request)
        if violations:
            refuse_invalid(context, violations)
        module_id = decode_module_id(request.module)
        if module_id is None:
            return pb.GetModuleResponse(
                outcome=module_pb2.MODULE_OUTCOME_MISSING,
                detail="it has no debug file or no debug id",
            )
        try:
            return self._report(module_id)
        except CacheUnavailableError:
            refuse_for_now(
                context,
                grpc.StatusCode.UNAVAILABLE,
                "the cache does not answer",
                _RETRY_AFTER_SECONDS,
            )

    def PrefetchModules(  # noqa: N802 # the name in the .proto file
        self, request: pb.PrefetchModulesRequest, context: grpc.ServicerContext
    ) -> pb.PrefetchModulesResponse:
        """Refuse: this server does not offer it."""
        del request
        refuse_unimplemented(context, "PrefetchModules")

    def InvalidateModules(  # noqa: N802 # the name in the .proto file
        self, request: pb.InvalidateModulesRequest, context: grpc.ServicerContext
    ) -> pb.InvalidateModulesResponse:
        """Refuse: this server does not offer it."""
        del request
        refuse_unimplemented(context, "InvalidateModules")

    def ListMissingModules(  # noqa: N802 # the name in the .proto file
        self, request: pb.ListMissingModulesRequest, context: grpc.ServicerContext
    ) -> pb.ListMissingModulesResponse:
        """Refuse: this server does not offer it."""
        del request
        refuse_unimplemented(context, "ListMissingModules")

    def ExplainFrame(  # noqa: N802 # the name in the .proto file
        self, request: pb.ExplainFrameRequest, context: grpc.ServicerContext
    ) -> pb.ExplainFrameResponse:
        """Refuse: this server does not offer it."""
        del request
        refuse_unimplemented(context, "ExplainFrame")

    def _report(self, module_id: ModuleId) -> pb.GetModuleResponse:
        report = self._lookup.get_module(module_id)
        if report.directory is not None:
            return pb.GetModuleResponse(
                outcome=module_pb2.MODULE_OUTCOME_FOUND,
                held=_encode_held(module_id, report.directory),
            )
        if report.failure is not None:
            return _encode_failure(report.failure)
        if self._is_pending(module_id):
            return pb.GetModuleResponse(outcome=module_pb2.MODULE_OUTCOME_PENDING)
        return pb.GetModuleResponse(outcome=module_pb2.MODULE_OUTCOME_NOT_REFERENCED)


def _encode_failure(failure: Failure) -> pb.GetModuleResponse:
    return pb.GetModuleResponse(
        outcome=_OUTCOMES[failure.kind],
        detail=failure.detail,
        retry_after=encode_duration(failure.retry_after_seconds),
        failed_attempts=failure.attempts,
    )


def _encode_held(module_id: ModuleId, directory: PageDirectory) -> pb.HeldModule:
    facts, ingest = directory.facts, directory.ingest
    ingested_at = Timestamp()
    ingested_at.FromNanoseconds(round(ingest.finished_at * 1e9))
    # The module's name is the code file's wherever the symbol file tells that.
    code_file = "" if facts.module_name == module_id.debug_file else facts.module_name
    return pb.HeldModule(
        module=module_pb2.Module(
            debug_file=module_id.debug_file,
            debug_id=module_id.debug_id,
            code_file=code_file,
            code_id=facts.code_id,
        ),
        name=facts.module_name,
        os=facts.os,
        architecture=facts.architecture,
        generation=directory.generation,
        pages=directory.page_count,
        stored_bytes=directory.stored_bytes,
        functions=facts.functions,
        public_symbols=facts.public_symbols,
        ranges=facts.ranges,
        skipped_records=facts.skipped_records,
        supplier=ingest.supplier,
        ingested_at=ingested_at,
        ingest_duration=encode_duration(ingest.seconds),
        fetched_bytes=ingest.fetched_bytes,
    )
