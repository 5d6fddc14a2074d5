"""Linkage names beside the other names: a module's second set of pages, made on demand."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import redis

from symbolon.v1.stack_pb2 import SymbolicatedFrame, SymbolicatedStack
from symbolon_server.cache.failures import FailureKind, FailureMemory
from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.cache.missing_modules import MissingModules, MissingTally
from symbolon_server.cache.module_memory import SupplierRounds
from symbolon_server.store.spool import Spool
from symbolon_server.symbolication.explaining.explainer import FrameExplainer
from symbolon_server.symbolication.looking_up.new_frames import ModuleFrames
from symbolon_server.symbolication.memory.queries import ModuleOutcome
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.ingest.working.workers import RunningWorker
from tests.symbolication.conftest import WAIT_SECONDS, File, Host, IngestNow, OpenHost

RUST = "_RNvC7mycrate3foo"
RECORDS = f"""\
FILE 0 a.cc
INLINE_ORIGIN 0 {RUST}
FUNC 1000 10 0 _ZN3Foo3barEi
INLINE 0 7 0 0 1008 8
1000 8 5 0
1008 8 9 0
FUNC 2000 10 0 plain_c
PUBLIC 3000 0 ?work@crate@@YAXXZ
"""

Names = tuple[str, str]
"""The function and its linkage name."""

BAR: Names = ("Foo::bar(int)", "_ZN3Foo3barEi")
FOO: Names = ("mycrate::foo", RUST)


def names_of(frames: Sequence[SymbolicatedFrame]) -> list[list[Names]]:
    """Return the names of each frame, those of inline frames first."""
    return [
        [*((inline.function, inline.linkage_name) for inline in frame.inlines), own_names(frame)]
        for frame in frames
    ]


def own_names(frame: SymbolicatedFrame) -> Names:
    return frame.function, frame.linkage_name


def find(host: Host, module_id: ModuleId, *offsets: int) -> list[list[Names]]:
    answer = host.find(module_id, *offsets, wait_seconds=WAIT_SECONDS)
    return names_of(answer.stacks[0])


def records_of(module_id: ModuleId, records: str = RECORDS) -> bytes:
    return f"MODULE Linux x86_64 {module_id.debug_id} {module_id.debug_file}\n{records}".encode()


def keys_with(client: redis.Redis, text: str) -> list[bytes]:
    return [key for key in client.scan_iter() if text.encode() in key]


@pytest.fixture
def mangled(file: File) -> File:
    """A module with mangled names of C++ and Rust that only the supplier has."""
    file.supplier.put(file.module_id, records_of(file.module_id))
    return file


def test_each_name_has_its_linkage_name(host: Host, mangled: File, worker: RunningWorker) -> None:
    found = find(host, mangled.module_id.with_linkage_names, 0x1000, 0x1008, 0x2000, 0x3000, 0x4000)
    work = ("void __cdecl crate::work(void)", "?work@crate@@YAXXZ")
    assert found == [[BAR], [FOO, BAR], [("plain_c", "plain_c")], [work], [work]]


def test_a_second_set_of_pages_is_made_when_somebody_asks(
    open_host: OpenHost, mangled: File, worker: RunningWorker, redis_store: redis.Redis
) -> None:
    host, other = open_host(), open_host()
    plain, variant = mangled.module_id.variants
    assert find(host, plain, 0x1008) == [[(FOO[0], ""), (BAR[0], "")]]
    assert mangled.gets() == 1
    assert keys_with(redis_store, "~linkage") == []
    for each in (host, other):
        for _ in range(2):  # looked up, then remembered
            assert find(each, variant, 0x1008) == [[FOO, BAR]]
            assert find(each, plain, 0x1008) == [[(FOO[0], ""), (BAR[0], "")]]
    assert mangled.gets() == 2
    assert keys_with(redis_store, "~linkage")


def test_an_invalidation_is_one_of_both_sets_of_pages(
    open_host: OpenHost, mangled: File, worker: RunningWorker, tmp_path: Path
) -> None:
    near = open_host(Spool(tmp_path / "spool", 1 << 20))
    far = open_host()
    for variant in mangled.module_id.variants:
        for host in (near, far):
            assert find(host, variant, 0x1000)[0][0][0] == BAR[0]
    better = RECORDS.replace("_ZN3Foo3barEi", "_ZN3Foo6betterEi")
    mangled.supplier.put(mangled.module_id, records_of(mangled.module_id, better))
    near.invalidator.invalidate([mangled.module_id])
    far.invalidator.catch_up()
    for host in (near, far):
        assert find(host, mangled.module_id.with_linkage_names, 0x1000) == [
            [("Foo::better(int)", "_ZN3Foo6betterEi")]
        ]
        assert find(host, mangled.module_id, 0x1000) == [[("Foo::better(int)", "")]]


def test_pages_that_an_earlier_server_invalidated_are_stale(
    host: Host, mangled: File, worker: RunningWorker, redis_cache: redis.Redis
) -> None:
    """It enters the module alone, and deletes nothing of the variant."""
    variant = mangled.module_id.with_linkage_names
    assert find(host, variant, 0x1000) == [[BAR]]
    better = RECORDS.replace("_ZN3Foo3barEi", "_ZN3Foo6betterEi")
    mangled.supplier.put(mangled.module_id, records_of(mangled.module_id, better))
    log = host.invalidator._log  # what both versions write
    assert log.add([mangled.module_id], host.tiers.invalidations.epoch)
    host.invalidator.catch_up()
    assert find(host, variant, 0x1000) == [[("Foo::better(int)", "_ZN3Foo6betterEi")]]


def test_failures_are_forgotten_with_the_module(
    host: Host, mangled: File, worker: RunningWorker, redis_cache: redis.Redis
) -> None:
    variant = mangled.module_id.with_linkage_names
    failures = FailureMemory(KeyedCache(redis_cache))
    failures.remember(variant, FailureKind.MALFORMED, "its names are too long")
    (result,) = host.find(variant, 0x1000).results
    assert result.outcome is ModuleOutcome.MALFORMED
    # What went wrong with linkage names is no failure of the module.
    assert find(host, mangled.module_id, 0x1000) == [[(BAR[0], "")]]
    host.invalidator.invalidate([mangled.module_id])
    assert find(host, variant, 0x1000) == [[BAR]]


def test_a_missing_module_is_listed_once_under_its_own_id(
    open_host: OpenHost, module_id: ModuleId, worker: RunningWorker, redis_cache: redis.Redis
) -> None:
    missing = MissingModules(KeyedCache(redis_cache))
    tally = MissingTally(missing)
    host = open_host(missing_tally=tally)
    for variant in module_id.variants:
        (result,) = host.find(variant, 0x1000, wait_seconds=WAIT_SECONDS).results
        assert result.outcome is ModuleOutcome.MISSING
    tally.flush()
    ((listed,), total) = missing.list(10)
    assert (listed.asked.module_id, listed.count, total) == (module_id, 2, 1)


def test_a_module_that_was_missing_is_no_longer_listed_once_it_is_found(
    open_host: OpenHost, mangled: File, worker: RunningWorker, redis_cache: redis.Redis
) -> None:
    missing = MissingModules(KeyedCache(redis_cache))
    missing.record({AskedModule(mangled.module_id): 1})
    assert missing.list(10)[1] == 1
    variant = mangled.module_id.with_linkage_names
    assert find(open_host(), variant, 0x1000) == [[BAR]]
    assert missing.list(10) == ([], 0)


def test_an_explanation_has_linkage_names_in_all_its_parts(
    host: Host, mangled: File, ingest_now: IngestNow, redis_cache: redis.Redis
) -> None:
    explainer = FrameExplainer(host.tiers, host.held, SupplierRounds(KeyedCache(redis_cache)))
    variant = mangled.module_id.with_linkage_names
    before = explainer.explain(variant, (0x1008, False), 3)
    assert before.result.outcome is ModuleOutcome.PENDING
    assert "with linkage names has them made" in before.warnings[0]
    ingest_now(variant)
    explanation = explainer.explain(variant, (0x1008, False), 3)
    (frame,) = SymbolicatedStack.FromString(explanation.frame).frames
    assert names_of([frame]) == [[FOO, BAR]]
    assert not explanation.warnings
    (hit,) = [part.answer for part in explanation.findings.ranges if part.is_hit]
    deciding = explanation.findings.deciding
    assert hit is not None
    assert deciding is not None
    assert (hit.function, hit.linkage_name) == BAR
    assert [(inline.function, inline.linkage_name) for inline in hit.inlines] == [FOO]
    assert (deciding.answer.function, deciding.answer.linkage_name) == BAR


def test_pages_that_no_ingest_left_are_not_blamed_on_the_store_alone(module_id: ModuleId) -> None:
    """An earlier worker takes the name of a variant for no module id, and drops its job."""
    evicted = ModuleFrames(AskedModule(module_id.with_linkage_names), {(0, False): None})
    evicted.is_evicted = True
    assert evicted.result().outcome is ModuleOutcome.PENDING
    assert "a worker of an earlier version took it" in evicted.result().detail
