"""What is known of one module, for operators."""

import pytest
import redis

from symbolon_server.cache.failures import FailureKind, FailureMemory
from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.ingest.queueing.jobs import Band
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.redis_servers.keys import directory_key
from symbolon_server.store.spool import Spool
from symbolon_server.symbolication.memory.queries import ModuleOutcome
from symbolon_server.symbolication.module_lookup import ModuleLookup, ModuleReport
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.symbol_server import SymbolServer
from tests.ingest.symbol_files import symbol_file
from tests.symbolication.conftest import Host, IngestNow, OpenHost, new_module


@pytest.fixture
def lookup(host: Host, queue: IngestQueue) -> ModuleLookup:
    return ModuleLookup(host.tiers, queue.find_ended)


def report_of(lookup: ModuleLookup, module_id: ModuleId) -> ModuleReport:
    (report,) = lookup.get_modules([module_id])
    return report


def test_a_module_that_was_never_requested_is_unknown_and_starts_nothing(
    lookup: ModuleLookup, module_id: ModuleId, queue: IngestQueue
) -> None:
    assert report_of(lookup, module_id) == ModuleReport()
    assert report_of(lookup, module_id).result().outcome is ModuleOutcome.NOT_REFERENCED
    assert queue.length() == 0


def test_many_modules_are_reported_in_the_order_of_the_request(
    lookup: ModuleLookup, queue: IngestQueue, spooled: ModuleId, redis_cache: redis.Redis
) -> None:
    missing, queued, unknown = new_module(), new_module(), new_module()
    FailureMemory(KeyedCache(redis_cache)).remember(missing, FailureKind.MISSING, "nobody has it")
    queue.enqueue({queued: ()}, Band.PREFETCH)
    reports = lookup.get_modules([unknown, queued, spooled, missing])
    assert [report.result().outcome for report in reports] == [
        ModuleOutcome.NOT_REFERENCED,
        ModuleOutcome.PENDING,
        ModuleOutcome.FOUND,
        ModuleOutcome.MISSING,
    ]


def test_a_module_in_the_store_is_reported_with_its_facts(
    lookup: ModuleLookup, module_id: ModuleId, supplier: SymbolServer, ingest_now: IngestNow
) -> None:
    text = symbol_file(module_id)
    supplier.put(module_id, text)
    ingest_now(module_id)
    report = report_of(lookup, module_id)
    assert report.failure is None
    assert report.directory is not None
    assert report.directory.facts.functions == 3
    assert report.directory.ingest.fetched_bytes == len(text)


def test_a_remembered_failure_is_reported(
    lookup: ModuleLookup, module_id: ModuleId, redis_cache: redis.Redis
) -> None:
    FailureMemory(KeyedCache(redis_cache)).remember(module_id, FailureKind.MISSING, "nobody has it")
    report = report_of(lookup, module_id)
    assert report.directory is None
    assert report.failure is not None
    assert (report.failure.kind, report.failure.detail) == (FailureKind.MISSING, "nobody has it")


@pytest.mark.parametrize("damaged", [b"", b"SyD\x01", b"nonsense"])
def test_a_damaged_directory_is_read_from_the_spool(
    open_host: OpenHost,
    spool: Spool,
    spooled: ModuleId,
    redis_store: redis.Redis,
    damaged: bytes,
) -> None:
    redis_store.set(directory_key(spooled), damaged)
    report = report_of(ModuleLookup(open_host(spool).tiers, frozenset), spooled)
    assert report.directory is not None
