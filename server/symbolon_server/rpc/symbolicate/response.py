"""A symbolication response: the answer as bytes on the wire, and in the metrics."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from symbolon.v1 import diagnostics_pb2, module_pb2, tier_pb2
from symbolon.v1.symbolication_service_pb2 import SymbolicateResponse
from symbolon_server.symbolication.memory.queries import (
    Diagnostics,
    FrameOutcome,
    ModuleCounts,
    ModuleOutcome,
    ModuleResult,
    Symbolication,
    TierName,
)
from symbolon_server.telemetry.metrics import (
    BEFORE_READING,
    CALL_WAIT_SECONDS,
    FRAMES,
    LOOKUPS,
    MODULES,
)
from symbolon_server.telemetry.tallies import Tally

_REMEMBERED = FRAMES.labels("remembered")
_FRAMES = {int(outcome): FRAMES.labels(outcome.name.lower()) for outcome in FrameOutcome}
_MODULES = {outcome: MODULES.labels(outcome.name.lower()) for outcome in ModuleOutcome}
_HITS = {tier: LOOKUPS.labels(tier.name.lower(), "hit") for tier in TierName}
_MISSES = {tier: LOOKUPS.labels(tier.name.lower(), "miss") for tier in TierName}


def count_and_encode(answer: Symbolication, *, with_diagnostics: bool = False) -> bytes:
    """Count an answer in the metrics and return its encoded `SymbolicateResponse`.

    The response is joined from parts that are encoded already. Remembered frames are counted
    without their outcomes: those would cost each call a look at each frame.
    """
    if answer.is_recalled:
        frames, found = answer.diagnostics.frames, len(answer.results)
        _RECALLED.note(_Recalled(frames, answer.modules, found))
    else:
        _count_looked_up(answer)
    modules = [_NOT_REFERENCED] * answer.modules
    for index, result in answer.results.items():
        modules[index] = _encode_result(result)
    pieces = [*answer.stacks.pieces, *modules]
    if with_diagnostics:
        rest = SymbolicateResponse(diagnostics=_encode_diagnostics(answer.diagnostics))
        pieces.append(rest.SerializeToString())
    return b"".join(pieces)


class _Recalled(NamedTuple):
    """An answer of remembered frames; made of numbers only, which the garbage collector skips."""

    frames: int
    modules: int
    found: int
    """Modules that frames name: all of them are found."""


def _count_recalled(answers: Sequence[_Recalled]) -> None:
    frames, modules, found = map(sum, zip(*answers, strict=True))
    _REMEMBERED.inc(frames)
    _HITS[TierName.FRAMES].inc(frames)
    _MODULES[ModuleOutcome.FOUND].inc(found)
    _MODULES[ModuleOutcome.NOT_REFERENCED].inc(modules - found)


_RECALLED = Tally(_count_recalled, BEFORE_READING)


def _count_looked_up(answer: Symbolication) -> None:
    outcomes = answer.diagnostics.outcomes
    _REMEMBERED.inc(answer.diagnostics.frames - sum(outcomes.values()))
    for frame_outcome, frames in outcomes.items():
        _FRAMES[frame_outcome].inc(frames)
    if answer.diagnostics.waited_seconds is not None:
        CALL_WAIT_SECONDS.observe(answer.diagnostics.waited_seconds)
    results = Counter([result.outcome for result in answer.results.values()])
    if answer.modules > len(answer.results):
        results[ModuleOutcome.NOT_REFERENCED] = answer.modules - len(answer.results)
    for outcome, count in results.items():
        _MODULES[outcome].inc(count)
    for tier, counts in answer.diagnostics.tiers.items():
        if counts.hits:
            _HITS[tier].inc(counts.hits)
        if counts.lookups > counts.hits:
            _MISSES[tier].inc(counts.lookups - counts.hits)


def encode_duration(seconds: float) -> Duration:
    """Return a duration, rounded to nanoseconds."""
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1e9))
    return duration


def encode_time(unix_seconds: float) -> Timestamp:
    """Return a point in time, rounded to nanoseconds."""
    timestamp = Timestamp()
    timestamp.FromNanoseconds(round(unix_seconds * 1e9))
    return timestamp


def encode_result(result: ModuleResult) -> module_pb2.ModuleResult:
    """Return the outcome of a module."""
    message = module_pb2.ModuleResult(
        outcome=module_pb2.ModuleOutcome.ValueType(result.outcome),
        detail=result.detail,
        skipped_records=result.skipped_records,
    )
    if result.retry_after_seconds is not None:
        message.retry_after.CopyFrom(encode_duration(result.retry_after_seconds))
    return message


@lru_cache(1024)
def _encode_result(result: ModuleResult) -> bytes:
    """Return a result as a field of the response."""
    return SymbolicateResponse(modules=[encode_result(result)]).SerializeToString()


_NOT_REFERENCED = _encode_result(ModuleResult(ModuleOutcome.NOT_REFERENCED))


def _encode_diagnostics(counts: Diagnostics) -> diagnostics_pb2.Diagnostics:
    message = diagnostics_pb2.Diagnostics(
        duration=encode_duration(counts.seconds),
        is_wait_refused=counts.is_wait_refused,
        frames=counts.frames,
        distinct_frames=counts.distinct_frames,
        tiers=_encode_tiers(counts),
        ingests=counts.ingests,
        warnings=counts.warnings,
        modules=_encode_modules(counts.modules),
    )
    if counts.waited_seconds is not None:
        message.waited.CopyFrom(encode_duration(counts.waited_seconds))
    return message


def _encode_tiers(counts: Diagnostics) -> Iterator[diagnostics_pb2.TierLookups]:
    for name, tier in sorted(counts.tiers.items()):
        message = diagnostics_pb2.TierLookups(
            tier=tier_pb2.Tier.ValueType(name),
            lookups=tier.lookups,
            hits=tier.hits,
            bytes=tier.stored_bytes,
        )
        if tier.seconds:
            message.duration.CopyFrom(encode_duration(tier.seconds))
        yield message


def _encode_modules(
    modules: Iterable[ModuleCounts],
) -> Iterator[diagnostics_pb2.ModuleDiagnostics]:
    for counts in modules:
        message = diagnostics_pb2.ModuleDiagnostics(
            frames=counts.frames,
            distinct_frames=counts.distinct_frames,
            pages=counts.pages,
            generation=counts.generation,
            is_ingest_requested=counts.is_ingest_requested,
        )
        if counts.waited_seconds is not None:
            message.waited.CopyFrom(encode_duration(counts.waited_seconds))
        yield message
