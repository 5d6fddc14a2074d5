"""Why a frame has the answer that it has, on a real store, cache and spool."""

from collections.abc import Mapping
from typing import Protocol

import pytest
import redis

from symbolon.v1.stack_pb2 import SymbolicatedStack
from symbolon_server.cache.invalidations import InvalidationLog
from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.cache.module_memory import SupplierRounds
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.redis_servers.keys import directory_key
from symbolon_server.store.redis_store import RedisPageStore
from symbolon_server.store.spool import Spool
from symbolon_server.symbolication.explaining.explainer import FrameExplainer
from symbolon_server.symbolication.explaining.explanation import ExplainedTier, Explanation, Verdict
from symbolon_server.symbolication.memory.queries import FrameQuery, ModuleOutcome, TierName
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.symbol_server import SymbolServer
from tests.ingest.symbol_files import symbol_file
from tests.ingest.working.workers import RunningWorker
from tests.symbolication.conftest import WAIT_SECONDS, Host, IngestNow, OpenHost, query


class Explain(Protocol):
    """Explains a frame."""

    def __call__(
        self, module_id: ModuleId, offset: int, *, around: int = 1, ret: bool = False
    ) -> Explanation: ...


RECORDS = """\
FILE 0 a.c
FILE 1 b.h
INLINE_ORIGIN 0 dissolved
FUNC 1000 10 0 first
INLINE 0 7 0 0 1008 8
1000 8 5 0
1008 8 9 1
PUBLIC 1008 0 inside_first
PUBLIC 1020 0 public
FUNC m 1030 8 0 second
1030 8 11 0
FUNC 2000 10 0 third
FUNC xyz
"""


def explain_on(host: Host, cache: redis.Redis) -> Explain:
    explainer = FrameExplainer(host.tiers, host.held, SupplierRounds(KeyedCache(cache)))

    def explain(
        module_id: ModuleId, offset: int, *, around: int = 1, ret: bool = False
    ) -> Explanation:
        return explainer.explain(module_id, (offset, ret), around)

    return explain


@pytest.fixture
def explain(host: Host, redis_cache: redis.Redis) -> Explain:
    return explain_on(host, redis_cache)


@pytest.fixture
def ingested(supplier: SymbolServer, module_id: ModuleId, ingest_now: IngestNow) -> ModuleId:
    """A module with records of each kind, in the store."""
    head = f"MODULE Linux x86_64 {module_id.debug_id} {module_id.debug_file}\n"
    supplier.put(module_id, (head + RECORDS).encode())
    ingest_now(module_id)
    return module_id


def by_name(explanation: Explanation) -> Mapping[TierName, ExplainedTier]:
    return {tier.name: tier for tier in explanation.tiers}


def tiers_with_answer(explanation: Explanation) -> list[TierName]:
    return [tier.name for tier in explanation.tiers if tier.has_answer]


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (0x1004, (Verdict.FUNCTION_COVERS, "first", 0x1000, 0x1010)),
        (0x1008, (Verdict.FUNCTION_COVERS, "first", 0x1000, 0x1010)),
        (0x1014, (Verdict.TAKEN, "inside_first", 0x1008, 0x1020)),
        (0x1020, (Verdict.TAKEN, "public", 0x1020, 0x1030)),
        (0x1038, (Verdict.FUNCTION_BETWEEN, "second", 0x1030, 0x1038)),
        (0x1FFF, (Verdict.FUNCTION_BETWEEN, "second", 0x1030, 0x1038)),
        (0x2000, (Verdict.FUNCTION_COVERS, "third", 0x2000, 0x2010)),
        (2**64 - 1, (Verdict.FUNCTION_BETWEEN, "third", 0x2000, 0x2010)),
    ],
)
def test_the_deciding_symbol_is_reported_with_the_reason(
    explain: Explain, ingested: ModuleId, offset: int, expected: tuple[Verdict, str, int, int]
) -> None:
    findings = explain(ingested, offset).findings
    assert findings.deciding is not None
    answer, end = findings.deciding.answer, findings.deciding.end
    assert (findings.verdict, answer.function, answer.function_start, end) == expected


@pytest.mark.parametrize("offset", [0, 0xFFF])
def test_no_symbol_covers_an_offset_before_the_first_one(
    explain: Explain, ingested: ModuleId, offset: int
) -> None:
    explanation = explain(ingested, offset)
    assert explanation.findings.verdict is Verdict.NONE_BEFORE
    assert explanation.findings.page is None
    assert explanation.result.outcome is ModuleOutcome.FOUND


def test_the_ranges_around_are_those_of_the_page(explain: Explain, ingested: ModuleId) -> None:
    ranges = explain(ingested, 0x1008, around=1).findings.ranges
    assert [(r.first_offset, r.end_offset, r.is_hit) for r in ranges] == [
        (0x1000, 0x1008, False),
        (0x1008, 0x1010, True),
        (0x1010, 0x1020, False),
    ]
    hit = ranges[1].answer
    assert hit is not None
    assert [(inline.function, inline.file, inline.line) for inline in hit.inlines] == [
        ("dissolved", "b.h", 9)
    ]
    assert (hit.file, hit.line) == ("a.c", 7)
    every = explain(ingested, 0x1008, around=100).findings.ranges
    assert [r.first_offset for r in every] == [
        0x1000,
        0x1008,
        0x1010,
        0x1020,
        0x1030,
        0x1038,
        0x2000,
        0x2010,
    ]
    assert every[-1].end_offset is None


def test_a_return_address_is_explained_by_the_byte_before(
    explain: Explain, ingested: ModuleId
) -> None:
    explanation = explain(ingested, 0x1020, ret=True)
    assert explanation.looked_up == 0x101F
    assert explanation.findings.verdict is Verdict.TAKEN
    (frame,) = SymbolicatedStack.FromString(explanation.frame).frames
    assert (frame.module_offset, frame.function) == (0x1020, "inside_first")
    assert explain(ingested, 0, ret=True).findings.verdict is Verdict.NONE_BEFORE


def test_an_explained_frame_is_the_one_that_is_answered(
    explain: Explain, host: Host, ingested: ModuleId
) -> None:
    offsets = [*range(0xFF0, 0x1050, 3), 0x1FFF, 0x2000, 0x200F, 0x2010]
    lookups = [(offset, ret) for offset in offsets for ret in (False, True)]
    frames = [FrameQuery(0, offset, ret) for offset, ret in lookups]
    answered = host.ask([query(ingested)], [frames]).stacks[0]
    for (offset, ret), expected in zip(lookups, answered, strict=True):
        explanation = explain(ingested, offset, ret=ret)
        assert [*SymbolicatedStack.FromString(explanation.frame).frames] == [expected]
        assert explanation.result.outcome is ModuleOutcome.FOUND


def test_skipped_records_are_reported_by_kind(explain: Explain, ingested: ModuleId) -> None:
    explanation = explain(ingested, 0x1000)
    assert explanation.directory is not None
    assert explanation.directory.facts.skipped_records == {"FUNC": 1}
    assert explanation.result.skipped_records == 1


def test_all_tiers_are_reported_with_what_they_have(
    open_host: OpenHost,
    redis_cache: redis.Redis,
    redis_store: redis.Redis,
    spooled: ModuleId,
    spool: Spool,
) -> None:
    host = open_host(spool)
    explain = explain_on(host, redis_cache)
    explanation = explain(spooled, 0x20)
    assert tiers_with_answer(explanation) == [TierName.STORE, TierName.SPOOL]
    assert explanation.findings.page is not None
    assert explanation.findings.page.tier is TierName.STORE
    assert (
        explanation.findings.page.stored_bytes == by_name(explanation)[TierName.STORE].stored_bytes
    )
    assert host.held.modules.peek(spooled) is None, "explaining holds nothing"
    assert host.find(spooled, 0x20).functions == ["function_1"]
    redis_store.flushall()
    explanation = explain(spooled, 0x20)
    assert tiers_with_answer(explanation) == [TierName.FRAMES, TierName.MEMORY, TierName.SPOOL]
    assert len({t.directory.generation for t in explanation.tiers if t.directory}) == 1
    assert by_name(explanation)[TierName.STORE].directory is None
    assert redis_store.dbsize() == 0, "explaining puts nothing"


def test_a_page_that_no_tier_has_is_reported(
    explain: Explain, ingested: ModuleId, redis_store: redis.Redis
) -> None:
    for key in redis_store.keys("page:*"):
        redis_store.delete(key)
    explanation = explain(ingested, 0x1000)
    assert explanation.result.outcome is ModuleOutcome.PENDING
    assert explanation.findings.page is not None
    assert explanation.findings.page.tier is None
    assert explanation.findings.verdict is Verdict.UNKNOWN
    assert explanation.warnings == ["no tier has the page that covers the offset"]


def test_an_unknown_module_is_reported_as_such_and_starts_nothing(
    explain: Explain, module_id: ModuleId, queue: IngestQueue
) -> None:
    explanation = explain(module_id, 0)
    assert explanation.result.outcome is ModuleOutcome.PENDING
    assert (explanation.directory, explanation.suppliers) == (None, None)
    assert tiers_with_answer(explanation) == []
    assert queue.length() == 0


def test_suppliers_are_reported_with_their_last_answers(
    explain: Explain, host: Host, supplier: SymbolServer, module_id: ModuleId, worker: RunningWorker
) -> None:
    host.find(module_id, 0, wait_seconds=WAIT_SECONDS)
    explanation = explain(module_id, 0)
    assert explanation.result.outcome is ModuleOutcome.MISSING
    assert explanation.failed_attempts == 1
    assert explanation.suppliers is not None
    (attempt,) = explanation.suppliers.attempts
    assert (attempt.supplier, attempt.outcome) == (f"127.0.0.1:{supplier.port}", "missing")
    assert 0 < attempt.seconds <= explanation.suppliers.seconds
    supplier.put(module_id, symbol_file(module_id))
    host.invalidator.invalidate([module_id])
    assert host.find(module_id, 0, wait_seconds=WAIT_SECONDS).functions == ["function_0"]
    explanation = explain(module_id, 0)
    assert explanation.failed_attempts == 0
    assert explanation.suppliers is not None
    (attempt,) = explanation.suppliers.attempts
    assert (attempt.outcome, attempt.detail) == ("found", "")
    assert attempt.fetched_bytes == len(symbol_file(module_id))


def test_the_symbol_before_a_gap_may_be_in_the_page_before(
    explain: Explain, supplier: SymbolServer, module_id: ModuleId, ingest_now: IngestNow
) -> None:
    # Each function has one range and a gap behind it, and the second page starts with a gap.
    supplier.put(module_id, symbol_file(module_id, 4_000))
    ingest_now(module_id)
    directory = explain(module_id, 0).directory
    assert directory is not None
    assert directory.page_count > 1
    first = int(directory.first_offsets[1])
    findings = explain(module_id, first).findings
    assert findings.ranges[0].answer is None
    assert findings.page is not None
    assert findings.page.key.number == 1
    assert findings.verdict is Verdict.FUNCTION_BETWEEN
    assert findings.deciding is not None
    assert findings.deciding.answer.function_start == first - 16
    assert findings.deciding.end is None


def test_invalidated_directories_are_reported_by_tier(
    open_host: OpenHost, redis_cache: redis.Redis, redis_store: redis.Redis, ingested: ModuleId
) -> None:
    host = open_host()
    old = redis_store.get(directory_key(ingested))
    assert isinstance(old, bytes)
    log = InvalidationLog(KeyedCache(redis_cache))
    assert log.add([ingested], log.read_since(0, "").epoch)
    host.invalidator.catch_up()
    explanation = explain_on(host, redis_cache)(ingested, 0x1000)
    assert by_name(explanation)[TierName.STORE].detail == "its page directory was invalidated"
    assert explanation.result.outcome is ModuleOutcome.PENDING


def test_redis_errors_are_reported_and_fail_nothing(
    dead_redis: redis.Redis, open_host: OpenHost, spool: Spool, spooled: ModuleId
) -> None:
    host = open_host(spool, store=RedisPageStore(dead_redis), cache=dead_redis)
    explanation = explain_on(host, dead_redis)(spooled, 0)
    assert by_name(explanation)[TierName.STORE].detail == "it does not answer"
    assert tiers_with_answer(explanation) == [TierName.SPOOL]
    assert explanation.result.outcome is ModuleOutcome.FOUND
    assert any("the cache does not answer" in warning for warning in explanation.warnings)
