"""Fetching modules ahead, on the real queue."""

import pytest
import redis

from symbolon_server.cache.failures import FailureKind
from symbolon_server.ingest.queueing.claims import ClaimDesk
from symbolon_server.ingest.queueing.jobs import Band, Claim
from symbolon_server.ingest.queueing.queue import IngestQueue, QueueFullError
from symbolon_server.store.spool import Spool
from symbolon_server.symbolication.memory.queries import ModuleOutcome
from symbolon_server.symbolication.module_lookup import ModuleLookup, Prefetcher
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.ingest.working.workers import RunningWorker
from tests.symbolication.conftest import WAIT_SECONDS, File, Host, OpenHost, new_module


def prefetcher_of(host: Host, queue: IngestQueue) -> Prefetcher:
    return Prefetcher(ModuleLookup(host.tiers, queue.find_ended), queue)


def test_unknown_modules_are_queued_behind_awaited_ones(host: Host, queue: IngestQueue) -> None:
    asked = [AskedModule(new_module()) for _ in range(3)]
    for _ in range(2):
        reports = prefetcher_of(host, queue).prefetch(asked)
        assert {report.result().outcome for report in reports} == {ModuleOutcome.PENDING}
        assert queue.get_lengths() == {Band.AWAITED: 0, Band.WANTED: 0, Band.PREFETCH: 3}


def test_what_callers_know_of_a_module_is_queued_with_it(
    host: Host, queue: IngestQueue, redis_cache: redis.Redis
) -> None:
    told = AskedModule(new_module(), "xul.dll", "5F3A1B2C4D000", lacks_age=True)
    prefetcher_of(host, queue).prefetch([told])
    claim = ClaimDesk(redis_cache, lease_seconds=60.0).claim()
    assert isinstance(claim, Claim)
    assert claim.asked == told


def test_known_modules_are_reported_and_not_queued(
    open_host: OpenHost, queue: IngestQueue, spooled: ModuleId, spool: Spool
) -> None:
    host, missing = open_host(spool), new_module()
    host.tiers.failures.remember(missing, FailureKind.MISSING, "nobody has it")
    found, failed = prefetcher_of(host, queue).prefetch(
        [AskedModule(spooled), AskedModule(missing)]
    )
    assert found.result().outcome is ModuleOutcome.FOUND
    assert failed.result().detail == "nobody has it"
    assert queue.length() == 0


def test_a_full_queue_raises_an_error(
    host: Host, queue: IngestQueue, redis_cache: redis.Redis
) -> None:
    narrow = IngestQueue(redis_cache, max_queued=1)
    with pytest.raises(QueueFullError):
        prefetcher_of(host, narrow).prefetch([AskedModule(new_module()), AskedModule(new_module())])
    assert queue.length() == 1


def test_a_prefetched_module_is_ready_before_the_first_call(
    host: Host, queue: IngestQueue, file: File, worker: RunningWorker
) -> None:
    prefetcher = prefetcher_of(host, queue)
    with host.tiers.loader.load({file.module_id: ()}) as pending:
        prefetcher.prefetch([AskedModule(file.module_id)])
        pending.wait(WAIT_SECONDS)
    (report,) = prefetcher.prefetch([AskedModule(file.module_id)])
    assert report.result().outcome is ModuleOutcome.FOUND
    assert host.find(file.module_id, 0).functions == ["function_0"]
