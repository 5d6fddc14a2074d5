"""The trace context of a job: which call's it is, and that nothing depends on it."""

import pytest
import redis

from symbolon_server.ingest.queueing.claims import ClaimDesk
from symbolon_server.ingest.queueing.jobs import Band, Claim
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.ingest.queueing.scripts import JOB_PREFIX
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.telemetry.tracing.contexts import SpanContext
from symbolon_server.telemetry.tracing.spans import EndedSpan, Kind, Span
from tests.ingest.symbol_files import numbered_module

MODULE = numbered_module(1)
FIRST, SECOND = SpanContext(1, 2, True, "a=b"), SpanContext(3, 4, True)


@pytest.fixture
def ended() -> list[EndedSpan]:
    return []


def enqueue(client: redis.Redis, caller: SpanContext | None, ended: list[EndedSpan]) -> None:
    queue = IngestQueue(client)
    if caller is None:
        queue.enqueue({MODULE: ()}, Band.WANTED)
        return
    with Span("call", Kind.SERVER, caller, 0, ended.append):
        queue.enqueue({MODULE: ()}, Band.WANTED)


def claim(client: redis.Redis) -> Claim:
    found = ClaimDesk(client, 15.0).claim()
    assert isinstance(found, Claim)
    return found


def field_of(client: redis.Redis, module_id: ModuleId = MODULE) -> bytes | None:
    (value,) = client.execute_command(  # type: ignore[no-untyped-call] # redis-py
        "HMGET", f"{JOB_PREFIX}{module_id}", "trace"
    )
    return None if value is None else bytes(value)


def test_a_job_carries_the_span_that_queued_it(
    redis_cache: redis.Redis, clear_redis_cache: None, ended: list[EndedSpan]
) -> None:
    enqueue(redis_cache, FIRST, ended)
    queued = next(span for span in ended if span.name == "enqueue ingest")
    assert (queued.trace_id, queued.parent_id, queued.kind) == (1, 2, Kind.PRODUCER)
    assert queued.attributes["messaging.batch.message_count"] == 1
    assert claim(redis_cache).trace == SpanContext(1, queued.span_id, True)


@pytest.mark.promise("Without tracing no span is made, and no job carries a trace")
def test_without_a_trace_a_job_carries_none(
    redis_cache: redis.Redis, clear_redis_cache: None, ended: list[EndedSpan]
) -> None:
    enqueue(redis_cache, None, ended)
    assert field_of(redis_cache) is None
    assert claim(redis_cache).trace is None
    assert ended == []


def test_the_first_traced_call_counts(
    redis_cache: redis.Redis, clear_redis_cache: None, ended: list[EndedSpan]
) -> None:
    for caller in (None, FIRST, SECOND):
        enqueue(redis_cache, caller, ended)
    found = claim(redis_cache).trace
    assert found is not None
    assert found.trace_id == FIRST.trace_id


def test_a_new_job_does_not_have_the_trace_of_the_one_before(
    redis_cache: redis.Redis, clear_redis_cache: None, ended: list[EndedSpan]
) -> None:
    enqueue(redis_cache, FIRST, ended)
    assert ClaimDesk(redis_cache, 15.0).end(claim(redis_cache))
    enqueue(redis_cache, None, ended)
    assert claim(redis_cache).trace is None


@pytest.mark.parametrize("value", ["", "x", "\xff" * 1000, "00-0-0-01"])
def test_a_job_with_a_trace_that_nobody_can_read_is_claimed_all_the_same(
    redis_cache: redis.Redis, clear_redis_cache: None, value: str
) -> None:
    enqueue(redis_cache, None, [])
    redis_cache.hset(f"{JOB_PREFIX}{MODULE}", "trace", value.encode("latin-1"))
    found = claim(redis_cache)
    assert found.module_id == MODULE
    assert found.trace is None


def test_the_field_fits_into_the_compact_form_of_a_hash(
    redis_cache: redis.Redis, clear_redis_cache: None, ended: list[EndedSpan]
) -> None:
    enqueue(redis_cache, FIRST, ended)
    assert len(field_of(redis_cache) or b"") <= 64
    assert redis_cache.object("encoding", f"{JOB_PREFIX}{MODULE}") == b"listpack"
