"""Protobuf out: what is known of modules, the queue, and the explanation of a frame."""

from symbolon.v1 import explanation_pb2, module_pb2, stack_pb2, tier_pb2
from symbolon.v1 import module_service_pb2 as pb
from symbolon_server.cache.missing_modules import MissingModule
from symbolon_server.cache.module_memory import SupplierRound
from symbolon_server.ingest.queueing.jobs import Band
from symbolon_server.ingest.queueing.queue_view import QueueOverview, RunningIngest
from symbolon_server.redis_servers.keys import page_key
from symbolon_server.rpc.symbolicate.response import encode_duration, encode_result, encode_time
from symbolon_server.symbolication.explaining.explanation import (
    DecidingSymbol,
    ExplainedPage,
    ExplainedRange,
    ExplainedTier,
    Explanation,
)
from symbolon_server.symbolication.memory.queries import NO_MODULE_ID
from symbolon_server.symbolication.module_lookup import ModuleReport
from symbolon_server.symbols.ground.answers import Answer
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageDirectory


def encode_report(module_id: ModuleId, report: ModuleReport) -> pb.GetModuleResponse:
    """Return what is known of one module."""
    result = report.result()
    failure = report.failure if report.directory is None else None
    return pb.GetModuleResponse(
        outcome=module_pb2.ModuleOutcome.ValueType(result.outcome),
        detail=result.detail,
        held=_held(module_id, report.directory),
        retry_after=encode_duration(failure.retry_after_seconds) if failure else None,
        failed_attempts=failure.attempts if failure else 0,
    )


def encode_missing(module: MissingModule) -> pb.MissingModule:
    """Return a module that no supplier has."""
    asked = module.asked
    return pb.MissingModule(
        module=_module(asked.module_id, asked.code_file, asked.code_id),
        requests=module.count,
        first_seen=encode_time(module.first_seen),
        last_seen=encode_time(module.last_seen),
    )


def encode_queue(overview: QueueOverview) -> pb.GetQueueResponse:
    """Return the state of the queue."""
    return pb.GetQueueResponse(
        awaited=overview.lengths[Band.AWAITED],
        wanted=overview.lengths[Band.WANTED],
        prefetches=overview.lengths[Band.PREFETCH],
        longest_wait=encode_duration(overview.longest_wait_seconds),
        running=map(_running, overview.running),
        total_running=overview.total_running,
    )


def _running(ingest: RunningIngest) -> pb.RunningIngest:
    return pb.RunningIngest(
        module=_module(ingest.module_id),
        worker=ingest.worker,
        duration=encode_duration(ingest.seconds),
        attempts=ingest.attempts,
        caller=ingest.caller,
        with_linkage_names=ingest.module_id.has_linkage_names,
    )


def _module(module_id: ModuleId, code_file: str = "", code_id: str = "") -> module_pb2.Module:
    debug_file, debug_id = module_id.plain
    return module_pb2.Module(
        debug_file=debug_file, debug_id=debug_id, code_file=code_file, code_id=code_id
    )


def _held(module_id: ModuleId, directory: PageDirectory | None) -> pb.HeldModule | None:
    """Return the facts of an ingested module, or None without a directory."""
    if directory is None:
        return None
    facts, ingest = directory.facts, directory.ingest
    # The name of a module is its code file, if the symbol file has one.
    code_file = "" if facts.module_name == module_id.debug_file else facts.module_name
    return pb.HeldModule(
        module=_module(module_id, code_file, facts.code_id),
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
        ingested_at=encode_time(ingest.finished_at),
        ingest_duration=encode_duration(ingest.seconds),
        fetched_bytes=ingest.fetched_bytes,
        format=facts.format,
        has_debug_info=facts.has_debug_info,
        notes=facts.notes,
    )


def encode_explanation(module_id: ModuleId, explanation: Explanation) -> pb.ExplainFrameResponse:
    """Return everything that leads to the answer for a frame of this module."""
    findings = explanation.findings
    (frame,) = stack_pb2.SymbolicatedStack.FromString(explanation.frame).frames
    return pb.ExplainFrameResponse(
        frame=frame,
        module=encode_result(explanation.result),
        looked_up_offset=explanation.looked_up,
        tiers=map(_tier, explanation.tiers),
        held=_held(module_id, explanation.directory),
        page=_page(findings.page) if findings.page else None,
        ranges=map(_range, findings.ranges),
        public_symbol_verdict=explanation_pb2.PublicSymbolVerdict.ValueType(findings.verdict),
        deciding_symbol=_deciding(findings.deciding) if findings.deciding else None,
        suppliers=_suppliers(explanation.suppliers) if explanation.suppliers else None,
        failed_attempts=explanation.failed_attempts,
        warnings=explanation.warnings,
    )


def encode_missing_frame(name: str, lookup: tuple[int, bool]) -> pb.ExplainFrameResponse:
    """Return what there is to say of a frame whose module has no id."""
    offset, is_return_address = lookup
    return pb.ExplainFrameResponse(
        frame=stack_pb2.SymbolicatedFrame(
            module=name,
            module_offset=offset,
            outcome=stack_pb2.FRAME_OUTCOME_MODULE_MISSING,
        ),
        module=encode_result(NO_MODULE_ID),
        looked_up_offset=max(0, offset - is_return_address),
    )


def _tier(tier: ExplainedTier) -> explanation_pb2.ExplainedTier:
    return explanation_pb2.ExplainedTier(
        tier=tier_pb2.Tier.ValueType(tier.name),
        has_directory=tier.directory is not None,
        generation="" if tier.directory is None else tier.directory.generation,
        has_answer=tier.has_answer,
        bytes=tier.stored_bytes,
        duration=encode_duration(tier.seconds),
        detail=tier.detail,
    )


def _page(page: ExplainedPage) -> explanation_pb2.ExplainedPage:
    return explanation_pb2.ExplainedPage(
        number=page.key.number,
        key=page_key(page.key),
        generation=page.key.generation,
        first_offset=page.first_offset,
        end_offset=page.end_offset,
        tier=tier_pb2.Tier.ValueType(page.tier or tier_pb2.TIER_UNSPECIFIED),
        ranges=page.ranges,
        stored_bytes=page.stored_bytes,
    )


def _range(explained: ExplainedRange) -> explanation_pb2.ExplainedRange:
    message = explanation_pb2.ExplainedRange(
        first_offset=explained.first_offset,
        end_offset=explained.end_offset,
        is_hit=explained.is_hit,
    )
    answer = explained.answer
    if answer is not None:
        message.kind = _kind(answer)
        message.function, message.function_start = answer.function, answer.function_start
        message.linkage_name = answer.linkage_name
        message.file, message.line = answer.file, answer.line
        message.is_multiple = answer.is_multiple
        for inline in answer.inlines:
            message.inlines.add(
                function=inline.function,
                file=inline.file,
                line=inline.line,
                linkage_name=inline.linkage_name,
            )
    return message


def _deciding(symbol: DecidingSymbol) -> explanation_pb2.DecidingSymbol:
    return explanation_pb2.DecidingSymbol(
        kind=_kind(symbol.answer),
        name=symbol.answer.function,
        linkage_name=symbol.answer.linkage_name,
        start=symbol.answer.function_start,
        end=symbol.end,
    )


def _kind(answer: Answer) -> explanation_pb2.SymbolKind.ValueType:
    if answer.is_public:
        return explanation_pb2.SYMBOL_KIND_PUBLIC
    return explanation_pb2.SYMBOL_KIND_FUNCTION


def _suppliers(supplier_round: SupplierRound) -> explanation_pb2.SupplierRound:
    message = explanation_pb2.SupplierRound(
        ended_at=encode_time(supplier_round.ended_at),
        duration=encode_duration(supplier_round.seconds),
    )
    for attempt in supplier_round.attempts:
        message.attempts.add(
            supplier=attempt.supplier,
            outcome=_OUTCOMES.get(attempt.outcome, explanation_pb2.SUPPLIER_OUTCOME_UNSPECIFIED),
            detail=attempt.detail,
            duration=encode_duration(attempt.seconds),
            fetched_bytes=attempt.fetched_bytes,
            path=attempt.path,
        )
    return message


_OUTCOMES = {
    "found": explanation_pb2.SUPPLIER_OUTCOME_FOUND,
    "missing": explanation_pb2.SUPPLIER_OUTCOME_MISSING,
    "unavailable": explanation_pb2.SUPPLIER_OUTCOME_UNAVAILABLE,
    "malformed": explanation_pb2.SUPPLIER_OUTCOME_MALFORMED,
    "not_asked": explanation_pb2.SUPPLIER_OUTCOME_NOT_ASKED,
}
