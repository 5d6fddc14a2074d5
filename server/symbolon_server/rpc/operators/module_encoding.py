"""Protobuf out: what is known of modules."""

from symbolon.v1 import module_pb2
from symbolon.v1 import module_service_pb2 as pb
from symbolon_server.cache.missing_modules import MissingModule
from symbolon_server.ingest.queueing.jobs import Band
from symbolon_server.ingest.queueing.queue_view import QueueOverview, RunningIngest
from symbolon_server.rpc.symbolicate.encoding import encode_duration, encode_time
from symbolon_server.symbolication.module_lookup import ModuleReport
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageDirectory


def encode_report(module_id: ModuleId, report: ModuleReport) -> pb.GetModuleResponse:
    """Return what is known of one module."""
    result = report.result()
    response = pb.GetModuleResponse(
        outcome=module_pb2.ModuleOutcome.ValueType(result.outcome), detail=result.detail
    )
    if report.directory is not None:
        response.held.CopyFrom(encode_held(module_id, report.directory))
    elif report.failure is not None:
        response.retry_after.CopyFrom(encode_duration(report.failure.retry_after_seconds))
        response.failed_attempts = report.failure.attempts
    return response


def encode_missing(module: MissingModule) -> pb.MissingModule:
    """Return a module that no supplier has."""
    asked = module.asked
    return pb.MissingModule(
        module=module_pb2.Module(
            debug_file=asked.module_id.debug_file,
            debug_id=asked.module_id.debug_id,
            code_file=asked.code_file,
            code_id=asked.code_id,
        ),
        requests=module.count,
        first_seen=encode_time(module.first_seen),
        last_seen=encode_time(module.last_seen),
    )


def encode_queue(overview: QueueOverview) -> pb.GetQueueResponse:
    """Return what is on the queue."""
    response = pb.GetQueueResponse(
        awaited=overview.lengths[Band.AWAITED],
        wanted=overview.lengths[Band.WANTED],
        prefetches=overview.lengths[Band.PREFETCH],
        running=map(_encode_running, overview.running),
        total_running=overview.total_running,
    )
    if overview.longest_wait_seconds is not None:
        response.longest_wait.CopyFrom(encode_duration(overview.longest_wait_seconds))
    return response


def _encode_running(ingest: RunningIngest) -> pb.RunningIngest:
    module_id = ingest.module_id
    running = pb.RunningIngest(
        module=module_pb2.Module(debug_file=module_id.debug_file, debug_id=module_id.debug_id),
        worker=ingest.worker,
        attempts=ingest.attempts,
        caller=ingest.caller,
    )
    if ingest.seconds is not None:
        running.duration.CopyFrom(encode_duration(ingest.seconds))
    return running


def encode_held(module_id: ModuleId, directory: PageDirectory) -> pb.HeldModule:
    """Return the facts of a module whose pages were made."""
    facts, ingest = directory.facts, directory.ingest
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
        ingested_at=encode_time(ingest.finished_at),
        ingest_duration=encode_duration(ingest.seconds),
        fetched_bytes=ingest.fetched_bytes,
    )
