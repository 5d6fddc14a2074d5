"""What the cache knows for the insertion policy."""

import math
import time

import numpy as np
import pytest
import redis

from symbolon_server.cache.keyed_cache import CacheUnavailableError, KeyedCache
from symbolon_server.insertion import insertion_memory, scripts
from symbolon_server.insertion.ages import InsertionTerms, PageFunctions, insertion_ages
from symbolon_server.insertion.function_uses import (
    LATEST_SECONDS,
    SLOT_BYTES,
    expected_seconds,
    fingerprints_of,
    slots_for,
)
from symbolon_server.insertion.insertion_memory import InsertionMemory, samples_of
from symbolon_server.redis_servers.keys import (
    ASKED_PAGES_KEY,
    INGESTED_KEY,
    INSERTION_KEY,
    USED_FILES_KEY,
    USES_BYTES_KEY,
    USES_PREFIX,
)
from symbolon_server.redis_servers.servers import connect
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.redis_fixtures import FakeClock

XUL = ModuleId("xul.so", "1" * 33)
AGE = 1000.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1e6)


@pytest.fixture
def memory(redis_cache: redis.Redis, clear_redis_cache: None, clock: FakeClock) -> InsertionMemory:
    del clear_redis_cache
    return InsertionMemory(KeyedCache(redis_cache), clock)


def test_an_empty_cache_has_pages_put_as_new(memory: InsertionMemory) -> None:
    assert memory.terms(XUL) == InsertionTerms(now=1e6)


def test_an_ingested_module_is_known_under_its_id_alone(memory: InsertionMemory) -> None:
    memory.note_ingested(XUL)
    assert memory.terms(XUL).was_ingested
    assert not memory.terms(ModuleId("xul.so", "2" * 33)).was_ingested


def test_the_eviction_age_follows_its_samples(memory: InsertionMemory) -> None:
    memory.note_idle_seconds(AGE)
    assert memory.terms(XUL).eviction_age == AGE
    memory.note_idle_seconds(2 * AGE)
    assert memory.terms(XUL).eviction_age == pytest.approx(1.2 * AGE)
    memory.note_idle_seconds(None)
    assert memory.terms(XUL).eviction_age is None
    memory.note_idle_seconds(0.0)
    assert memory.terms(XUL).eviction_age == 1.0


def tell_for_a_while(memory: InsertionMemory, clock: FakeClock, *, is_again: bool) -> float:
    """Miss 8 pages in each tenth of an eviction age, and return the scale."""
    for step in range(20):
        clock.now += AGE / scripts.STEPS_PER_AGE
        pages = [(8 * (not is_again) * step + n).to_bytes(4, "big") for n in range(8)]
        memory.tell_pages(pages, pages)
    return memory.terms(XUL).scale


def test_the_scale_rises_while_pages_are_missed_again_and_falls_while_they_are_first(
    memory: InsertionMemory, clock: FakeClock
) -> None:
    memory.note_idle_seconds(AGE)
    risen = tell_for_a_while(memory, clock, is_again=True)
    assert risen > 2.0
    fallen = tell_for_a_while(memory, clock, is_again=False)
    assert fallen < 0.7 * risen


def test_the_scale_stays_within_its_bounds(
    memory: InsertionMemory, clock: FakeClock, redis_cache: redis.Redis
) -> None:
    memory.note_idle_seconds(AGE)
    redis_cache.hset(INSERTION_KEY, "log_scale", "4.99")
    assert tell_for_a_while(memory, clock, is_again=True) == pytest.approx(13.5)
    redis_cache.hset(INSERTION_KEY, "log_scale", "-2.99")
    redis_cache.delete(ASKED_PAGES_KEY)
    assert tell_for_a_while(memory, clock, is_again=False) >= math.exp(-3)


@pytest.mark.parametrize(("interval", "is_put"), [(0.9 * AGE, True), (1.1 * AGE, False)])
def test_at_the_largest_scale_pages_are_put_that_will_be_asked_for_within_an_eviction_age(
    memory: InsertionMemory, clock: FakeClock, interval: float, is_put: bool
) -> None:
    memory.note_idle_seconds(AGE)
    tell_for_a_while(memory, clock, is_again=True)
    assert tell_for_a_while(memory, clock, is_again=True) > 13
    for _ in range(2):
        clock.now += interval
        memory.tell_uses(XUL.debug_file, 100, [b"often"])
    functions = PageFunctions(np.array([0]), fingerprints_of([b"often"]))
    (age,) = insertion_ages(memory.terms(XUL), 1, lambda: functions)
    assert math.isfinite(age) == is_put


def test_a_page_that_was_asked_for_long_ago_is_missed_for_the_first_time(
    memory: InsertionMemory, clock: FakeClock, redis_cache: redis.Redis
) -> None:
    memory.note_idle_seconds(AGE)
    memory.tell_pages([], [b"page"])
    clock.now += 5 * AGE
    memory.tell_pages([b"page"], [])
    counts = redis_cache.hmget(INSERTION_KEY, "again", "first")
    assert [float(count or 0) for count in counts] == [0, 0.5]  # a step halves them


def test_misses_do_not_count_in_a_store_that_does_not_evict(
    memory: InsertionMemory, clock: FakeClock, redis_cache: redis.Redis
) -> None:
    assert tell_for_a_while(memory, clock, is_again=True) == 1.0
    assert redis_cache.hmget(INSERTION_KEY, "again", "first") == [None, None]


def test_one_caller_at_a_time_is_told_to_sample(memory: InsertionMemory, clock: FakeClock) -> None:
    assert [memory.tell_pages([], []) for _ in range(3)] == [True, False, False]
    clock.now += scripts.SAMPLE_SECONDS
    assert [memory.tell_pages([], []) for _ in range(2)] == [True, False]
    memory.note_idle_seconds(AGE)
    clock.now += AGE / scripts.SAMPLES_PER_AGE - 1
    assert not memory.tell_pages([], [])
    clock.now += 1
    assert memory.tell_pages([], [])
    memory.note_idle_seconds(10**9)  # as after a wrong sample
    clock.now += scripts.MOST_SAMPLE_SECONDS
    assert memory.tell_pages([], [])
    clock.now -= 500  # a clock that is set back
    assert memory.tell_pages([], [])


@pytest.mark.promise("Nothing in the cache grows with the number of modules ever requested")
def test_everything_is_bounded(
    memory: InsertionMemory,
    redis_cache: redis.Redis,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(insertion_memory, "MOST_MODULES", 10)
    for number in range(30):
        memory.note_ingested(ModuleId("a.so", f"{number:033X}"))
    assert redis_cache.zcard(INGESTED_KEY) == 10
    table = SLOT_BYTES * 16 + 2 * len("file15") + scripts.FILE_BYTES
    monkeypatch.setattr(insertion_memory, "MOST_TABLE_BYTES", 5 * table)
    for number in range(10, 30):
        clock.now += 1
        memory.tell_uses(f"file{number}", 1, [b"main"])
    names = [b"file%d" % number for number in range(25, 30)]
    assert redis_cache.zrange(USED_FILES_KEY, 0, -1) == names
    assert sorted(redis_cache.keys(f"{USES_PREFIX}*")) == sorted(b"uses:" + name for name in names)
    assert int(redis_cache.get(USES_BYTES_KEY) or 0) == 5 * table


@pytest.mark.parametrize("value", [None, b"foreign", b"-7", b"nan", b"1e400", [b"foreign"]])
def test_a_lost_size_of_the_tables_is_counted_again(
    memory: InsertionMemory, redis_cache: redis.Redis, value: bytes | list[bytes] | None
) -> None:
    for name in ("a.so", "b.so", "a.so"):
        memory.tell_uses(name, 10, [b"main"])
    before = redis_cache.get(USES_BYTES_KEY)
    redis_cache.delete(USES_BYTES_KEY)
    if isinstance(value, list):
        redis_cache.rpush(USES_BYTES_KEY, *value)
    elif value is not None:
        redis_cache.set(USES_BYTES_KEY, value)
    memory.tell_uses("a.so", 10, [b"main"])
    assert redis_cache.get(USES_BYTES_KEY) == before
    redis_cache.delete(USES_BYTES_KEY)
    memory.tell_uses("c.so", 10, [b"main"])
    assert int(redis_cache.get(USES_BYTES_KEY) or 0) == int(before or 0) // 2 * 3


def test_the_table_of_a_small_build_is_replaced_when_builds_are_larger(
    memory: InsertionMemory, redis_cache: redis.Redis
) -> None:
    small, large = slots_for(1) * SLOT_BYTES, slots_for(1000) * SLOT_BYTES
    memory.tell_uses("xul.so", 1, [b"main"])
    before = int(redis_cache.get(USES_BYTES_KEY) or 0)
    memory.tell_uses("xul.so", 8, [b"main"])
    assert len(memory.terms(XUL).uses) == small  # twice is not worth the uses
    memory.tell_uses("xul.so", 1000, [b"main"])
    assert len(memory.terms(XUL).uses) == large
    assert int(redis_cache.get(USES_BYTES_KEY) or 0) - before == large - small
    memory.tell_uses("xul.so", 1, [b"main"])
    assert len(memory.terms(XUL).uses) == large


def test_asked_pages_are_bounded(
    redis_cache: redis.Redis, clear_redis_cache: None, memory: InsertionMemory, clock: FakeClock
) -> None:
    step = 50_000
    for start in (0, step, 2 * step):
        clock.now += 1
        memory.tell_pages([], [number.to_bytes(4, "big") for number in range(start, start + step)])
    assert redis_cache.zcard(ASKED_PAGES_KEY) == scripts.MOST_PAGES
    assert redis_cache.zscore(ASKED_PAGES_KEY, (3 * step - 1).to_bytes(4, "big")) == clock.now


def test_pages_from_before_the_clock_was_set_back_are_forgotten(
    redis_cache: redis.Redis, memory: InsertionMemory, clock: FakeClock
) -> None:
    """Otherwise they would stay, and count as asked for, until the clock is there again."""
    memory.note_idle_seconds(AGE)
    clock.now += 2 * LATEST_SECONDS
    memory.tell_pages([], [b"late"])
    clock.now -= 2 * LATEST_SECONDS
    memory.tell_pages([b"late"], [b"page"])
    assert redis_cache.zrange(ASKED_PAGES_KEY, 0, -1) == [b"page"]
    assert float(redis_cache.hget(INSERTION_KEY, "again") or 0) == 0


def test_hosts_with_other_clocks_share_that_of_the_cache(
    redis_cache: redis.Redis, clear_redis_cache: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1e6)
    memory = InsertionMemory(KeyedCache(redis_cache))
    before, _ = redis_cache.time()
    memory.tell_uses("xul.so", 10, [b"main"])
    memory.tell_pages([], [b"page"])
    memory.note_idle_seconds(AGE)
    memory.tell_pages([b"page"], [])
    terms = memory.terms(XUL)
    after, _ = redis_cache.time()
    assert before <= terms.now <= after + 1
    (due,) = expected_seconds(terms.uses, fingerprints_of([b"main"]), terms.now + 10)
    assert 20 <= due <= 20 + 2 * (after - before + 1)
    assert before <= float(redis_cache.zscore(ASKED_PAGES_KEY, b"page") or 0) <= after + 1
    counts = redis_cache.hmget(INSERTION_KEY, "again", "first")
    assert [float(count or 0) for count in counts] == [0.5, 0]  # a step halves them


def test_what_a_quiet_night_leaves_goes_in_small_steps(
    redis_cache: redis.Redis, memory: InsertionMemory, clock: FakeClock
) -> None:
    """All at once, 100,000 of them kept Redis busy for 0.1 seconds."""
    memory.note_idle_seconds(AGE)
    pages = [number.to_bytes(4, "big") for number in range(5 * scripts.MOST_FORGOTTEN)]
    memory.tell_pages([], pages)
    clock.now += 5 * AGE
    left: list[int] = []
    while not left or left[-1]:
        memory.tell_pages([], [])
        left.append(redis_cache.zcard(ASKED_PAGES_KEY))
    assert left == [scripts.MOST_FORGOTTEN * number for number in range(4, -1, -1)]


def test_a_page_has_the_same_sample_in_each_generation_and_an_eighth_has_one() -> None:
    samples = samples_of(XUL, range(8000))
    assert 800 < len(set(samples)) < 1200
    assert [name for number in range(8000) for name in samples_of(XUL, [number])] == samples
    assert not set(samples) & set(samples_of(ModuleId("xul.so", "2" * 33), range(8000)))


@pytest.mark.parametrize("field", ["eviction_age", "log_scale"])
@pytest.mark.parametrize("value", ["", "nan", "inf", "-inf", "x", "1e999"])
def test_foreign_numbers_count_as_absent(
    memory: InsertionMemory, redis_cache: redis.Redis, field: str, value: str
) -> None:
    redis_cache.hset(INSERTION_KEY, field, value)
    assert memory.terms(XUL) == InsertionTerms(now=1e6)
    memory.tell_pages([b"page"], [b"page"])
    memory.note_idle_seconds(AGE)
    assert memory.terms(XUL).eviction_age == AGE


@pytest.mark.parametrize("value", ["-5", "0", "1e300", "20000000"])
def test_an_eviction_age_that_no_store_can_have_counts_as_absent(
    memory: InsertionMemory, redis_cache: redis.Redis, value: str
) -> None:
    redis_cache.hset(INSERTION_KEY, "eviction_age", value)
    assert memory.terms(XUL).eviction_age is None
    memory.note_idle_seconds(AGE)
    assert memory.terms(XUL).eviction_age == AGE


def test_keys_of_another_type_are_replaced(
    memory: InsertionMemory, redis_cache: redis.Redis, clock: FakeClock
) -> None:
    redis_cache.set(INSERTION_KEY, "foreign")
    redis_cache.set(ASKED_PAGES_KEY, "foreign")
    redis_cache.set(INGESTED_KEY, "foreign")
    redis_cache.set(USED_FILES_KEY, "foreign")
    with pytest.raises(CacheUnavailableError):
        memory.terms(XUL)
    assert memory.tell_pages([b"page"], [b"page"])
    assert memory.terms(XUL) == InsertionTerms(now=1e6)
    memory.note_ingested(XUL)
    memory.tell_uses("xul.so", 10, [b"main"])
    assert memory.terms(XUL).was_ingested
    assert redis_cache.zscore(USED_FILES_KEY, "xul.so") == clock.now


def test_a_cache_that_is_down_is_unavailable(unused_port: int) -> None:
    with connect(f"redis://127.0.0.1:{unused_port}") as client:
        memory = InsertionMemory(KeyedCache(client))
        with pytest.raises(CacheUnavailableError):
            memory.terms(XUL)
