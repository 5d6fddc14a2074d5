"""What a server counts of its calls: missing modules for the cache, and remembered frames."""

import pytest
import redis

from symbolon_server.cache.failures import FailureKind
from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.cache.missing_modules import MissingModules, MissingTally
from symbolon_server.symbolication.memory.queries import (
    NO_MODULE,
    FrameOutcome,
    FrameQuery,
    ModuleOutcome,
    ModuleQuery,
)
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.symbolication.conftest import (
    File,
    Host,
    IngestNow,
    OpenHost,
    calls,
    new_calls,
    new_module,
    query,
)


@pytest.fixture
def missing(redis_cache: redis.Redis) -> MissingModules:
    return MissingModules(KeyedCache(redis_cache))


@pytest.fixture
def counting(open_host: OpenHost, missing: MissingModules) -> Host:
    """A server that reports to the cache at once."""
    return open_host(missing_tally=MissingTally(missing, flush_seconds=0.0))


def counts_of(missing: MissingModules) -> dict[ModuleId, int]:
    return {module.asked.module_id: module.count for module in missing.list(100)[0]}


def test_each_call_counts_its_missing_modules_once_and_no_others(
    counting: Host, missing: MissingModules, file: File, ingest_now: IngestNow
) -> None:
    absent, down, broken, cold = (new_module() for _ in range(4))
    ingest_now(file.module_id)
    counting.tiers.failures.remember(absent, FailureKind.MISSING, "no supplier has it")
    counting.tiers.failures.remember(down, FailureKind.UNAVAILABLE, "it is down")
    counting.tiers.failures.remember(broken, FailureKind.MALFORMED, "it is cut")
    without_id = ModuleQuery("anonymous", None)
    modules = [query(module) for module in (file.module_id, absent, absent, down, broken, cold)]
    frames = [FrameQuery(index, offset, False) for index in range(7) for offset in (0, 32)]
    for _ in range(3):
        answer = counting.ask([*modules, without_id], [frames])
        assert [result.outcome for result in answer.results] == [
            ModuleOutcome.FOUND,
            ModuleOutcome.MISSING,
            ModuleOutcome.MISSING,
            ModuleOutcome.UNAVAILABLE,
            ModuleOutcome.MALFORMED,
            ModuleOutcome.PENDING,
            ModuleOutcome.MISSING,
        ]
    assert counts_of(missing) == {absent: 3}


def test_a_missing_module_that_no_frame_names_is_not_counted(
    counting: Host, missing: MissingModules, module_id: ModuleId
) -> None:
    counting.tiers.failures.remember(module_id, FailureKind.MISSING, "no supplier has it")
    counting.ask([query(module_id)], [[]])
    assert counts_of(missing) == {}


def test_remembered_frames_cost_the_cache_nothing(
    counting: Host, file: File, ingest_now: IngestNow, redis_cache: redis.Redis
) -> None:
    ingest_now(file.module_id)
    counting.find(file.module_id, 0)
    before = calls(redis_cache)
    counting.find(file.module_id, 0)
    assert new_calls(redis_cache, before, "exec", "mget", "evalsha") == {
        "exec": 0,
        "mget": 0,
        "evalsha": 0,
    }


def test_remembered_frames_are_hits_of_their_tier(
    host: Host, file: File, ingest_now: IngestNow
) -> None:
    ingest_now(file.module_id)
    host.find(file.module_id, 0, 32)
    host.find(file.module_id, 0, 32, 33)
    host.find(file.module_id, 0, 32, 33)
    counts = host.held.counts_of_frames()
    assert (counts.hits, counts.misses) == (2 + 3, 2 + 1)


def test_frames_are_counted_by_outcome_unless_they_are_remembered(
    counting: Host, file: File, ingest_now: IngestNow
) -> None:
    absent, down, broken, cold = (new_module() for _ in range(4))
    ingest_now(file.module_id)
    counting.tiers.failures.remember(absent, FailureKind.MISSING, "")
    counting.tiers.failures.remember(down, FailureKind.UNAVAILABLE, "")
    counting.tiers.failures.remember(broken, FailureKind.MALFORMED, "")
    modules = [query(module) for module in (file.module_id, absent, down, broken, cold)]
    asked = {
        FrameOutcome.SYMBOLICATED: FrameQuery(0, 0, False),
        FrameOutcome.NO_SYMBOL: FrameQuery(0, 20, False),
        FrameOutcome.NO_MODULE: FrameQuery(NO_MODULE, 0, False),
        FrameOutcome.MODULE_MISSING: FrameQuery(1, 0, False),
        FrameOutcome.MODULE_UNAVAILABLE: FrameQuery(2, 0, False),
        FrameOutcome.MODULE_MALFORMED: FrameQuery(3, 0, False),
        FrameOutcome.MODULE_PENDING: FrameQuery(4, 0, False),
    }
    stacks = [[frame] * times for times, frame in enumerate(asked.values(), start=1)]
    expected = dict(zip(asked, range(1, 8), strict=True))
    for _ in range(2):
        answer = counting.ask(modules, stacks)
        answered = [{int(frame.outcome) for frame in stack} for stack in answer.stacks]
        assert answered == [{int(outcome)} for outcome in asked]
        assert answer.symbolication.diagnostics.outcomes == expected
        # By now these are remembered.
        expected.pop(FrameOutcome.SYMBOLICATED, None)
        expected.pop(FrameOutcome.NO_SYMBOL, None)
