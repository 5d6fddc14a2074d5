"""The queue: one job for a module, taken in the right order, never lost."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import redis

from symbolon_server.cache.keyed_cache import CacheUnavailableError
from symbolon_server.ingest.queueing.claims import ClaimDesk, NothingToClaim
from symbolon_server.ingest.queueing.jobs import Band, Claim
from symbolon_server.ingest.queueing.queue import MAX_WANTED_OFFSETS, IngestQueue
from symbolon_server.ingest.queueing.scripts import (
    AWAITED_KEY,
    BAND_SIZE,
    BELL_KEY,
    JOB_PREFIX,
    LINE_KEY,
    RUNNING_KEY,
    TURNS_KEY,
    WANT_PREFIX,
)
from symbolon_server.redis_servers.servers import connect
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId


def claim(desk: ClaimDesk) -> Claim:
    found = desk.claim()
    assert isinstance(found, Claim)
    return found


def modules(count: int) -> list[ModuleId]:
    return [ModuleId.parse(f"module{number}.so", f"{number:033X}") for number in range(count)]


def test_a_module_is_queued_once_however_often_it_is_wanted(
    queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    assert queue.enqueue({xul: []}, Band.AWAITED).added == 1
    assert queue.enqueue({xul: []}, Band.AWAITED).added == 0
    assert claim(desk).module_id == xul
    assert queue.enqueue({xul: []}, Band.AWAITED).added == 0  # it is running
    assert isinstance(desk.claim(), NothingToClaim)


def test_what_callers_send_about_a_module_is_part_of_its_job(
    queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    asked = AskedModule(xul, "xul.dll", "5F3A1B2C4D000", lacks_age=True)
    queue.enqueue({xul: [1]}, Band.AWAITED, asked=[asked])
    taken = claim(desk)
    assert taken.asked == asked
    desk.give_back(taken)
    assert claim(desk).asked == asked


def test_later_callers_add_what_the_first_did_not_send(
    queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    queue.enqueue({xul: []}, Band.PREFETCH)
    queue.enqueue({xul: []}, Band.AWAITED, asked=[AskedModule(xul, "xul.dll")])
    queue.enqueue({xul: []}, Band.AWAITED, asked=[AskedModule(xul, "other.dll", "5F")])
    assert claim(desk).asked == AskedModule(xul, "xul.dll", "5F")


def test_a_new_job_has_nothing_that_was_sent_for_an_earlier_one(
    queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    queue.enqueue({xul: []}, Band.AWAITED, asked=[AskedModule(xul, "xul.dll", "5F")])
    desk.end(claim(desk))
    queue.enqueue({xul: []}, Band.AWAITED)
    assert claim(desk).asked == AskedModule(xul)


def test_a_code_file_from_the_queue_cannot_lead_out_of_a_folder(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    queue.enqueue({xul: []}, Band.AWAITED)
    for field, value in (("code_file", ".."), ("code_id", "../../etc")):
        redis_cache.hset(JOB_PREFIX + str(xul), field, value)
    assert claim(desk).asked == AskedModule(xul)


def test_many_simultaneous_requests_cause_one_job(
    redis_cache: redis.Redis, queue: IngestQueue, xul: ModuleId
) -> None:
    callers = 16
    barrier = Barrier(callers)

    def ask(_: int) -> int:
        own_queue = IngestQueue(redis_cache)
        barrier.wait()
        return own_queue.enqueue({xul: [1]}, Band.AWAITED).added

    with ThreadPoolExecutor(callers) as pool:
        assert sum(pool.map(ask, range(callers))) == 1
    assert queue.length() == 1


def test_a_job_that_ended_can_be_queued_again_at_once(
    queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    queue.enqueue({xul: [1]}, Band.AWAITED)
    desk.end(claim(desk))
    assert queue.enqueue({xul: [2]}, Band.AWAITED).added == 1
    assert claim(desk).wanted == {2}


def test_an_ended_job_leaves_nothing_behind(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    queue.enqueue({xul: [1]}, Band.AWAITED)
    desk.end(claim(desk))
    log_of_invalidations = {b"invalidated", b"invalidated:epoch"}
    left = set(redis_cache.keys("*")) - log_of_invalidations
    assert left == {BELL_KEY.encode(), TURNS_KEY.encode()}
    assert (redis_cache.xlen(BELL_KEY), redis_cache.zcard(TURNS_KEY)) == (1, 1)


def test_the_offsets_of_all_callers_are_combined(
    queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    queue.enqueue({xul: [1, 2]}, Band.AWAITED)
    queue.enqueue({xul: [2, 2**64 - 1]}, Band.AWAITED)
    assert claim(desk).wanted == {1, 2, 2**64 - 1}


def test_the_offsets_of_a_job_are_bounded(
    queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    for start in range(0, 10 * MAX_WANTED_OFFSETS, MAX_WANTED_OFFSETS):
        queue.enqueue({xul: range(start, start + 5_000)}, Band.AWAITED)
    assert len(claim(desk).wanted) == MAX_WANTED_OFFSETS


def test_awaited_modules_come_before_prefetches(queue: IngestQueue, desk: ClaimDesk) -> None:
    first, second, third = modules(3)
    queue.enqueue({first: []}, Band.PREFETCH)
    queue.enqueue({second: []}, Band.AWAITED)
    queue.enqueue({third: []}, Band.AWAITED)
    assert [claim(desk).module_id for _ in range(3)] == [second, third, first]


def test_a_prefetch_moves_up_when_a_caller_waits_for_it(
    queue: IngestQueue, desk: ClaimDesk
) -> None:
    first, second, third = modules(3)
    queue.enqueue({first: [], second: [], third: []}, Band.PREFETCH)
    assert queue.enqueue({third: [7]}, Band.AWAITED).added == 0
    assert queue.get_lengths() == {Band.AWAITED: 1, Band.WANTED: 0, Band.PREFETCH: 2}
    overtaker = claim(desk)
    assert (overtaker.module_id, overtaker.wanted) == (third, frozenset({7}))
    assert [claim(desk).module_id for _ in range(2)] == [first, second]


def test_a_prefetch_does_not_move_an_awaited_module_back(
    queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    queue.enqueue({xul: []}, Band.AWAITED)
    queue.enqueue({xul: []}, Band.PREFETCH)
    assert queue.get_lengths() == {Band.AWAITED: 1, Band.WANTED: 0, Band.PREFETCH: 0}
    assert claim(desk).module_id == xul


def test_sixty_modules_are_one_round_trip(redis_cache: redis.Redis, queue: IngestQueue) -> None:
    queue.enqueue(dict.fromkeys(modules(1), ()), Band.AWAITED)  # loads the script
    redis_cache.config_resetstat()
    queue.enqueue(dict.fromkeys(modules(60), (1, 2, 3)), Band.AWAITED)
    asked = redis_cache.info("commandstats")
    assert asked["cmdstat_evalsha"]["calls"] == 1
    assert "cmdstat_eval" not in asked
    assert queue.length() == 60


def test_a_lease_that_lapsed_gives_the_job_to_the_next_worker(
    queue: IngestQueue, hasty_desk: ClaimDesk, desk: ClaimDesk, xul: ModuleId
) -> None:
    queue.enqueue({xul: [3]}, Band.AWAITED)
    lost = claim(hasty_desk)
    found = claim(desk)
    assert (found.module_id, found.attempts, found.wanted) == (xul, 2, frozenset({3}))
    assert lost.attempts == 1
    assert isinstance(desk.claim(), NothingToClaim)


def test_a_renewed_lease_is_left_alone(
    queue: IngestQueue, hasty_desk: ClaimDesk, desk: ClaimDesk, xul: ModuleId
) -> None:
    queue.enqueue({xul: []}, Band.AWAITED)
    mine = claim(hasty_desk)
    assert desk.renew(mine)
    assert isinstance(desk.claim(), NothingToClaim)


def test_a_worker_that_lost_a_job_cannot_end_it_for_the_next(
    queue: IngestQueue, hasty_desk: ClaimDesk, desk: ClaimDesk, xul: ModuleId
) -> None:
    queue.enqueue({xul: []}, Band.AWAITED)
    lost = claim(hasty_desk)
    held = claim(desk)
    assert not desk.renew(lost)
    assert not desk.give_back(lost)
    desk.end(lost)
    assert queue.find_ended([xul]) == frozenset()
    desk.end(held)
    assert queue.find_ended([xul]) == {xul}


@pytest.mark.parametrize("band", Band)
def test_a_job_given_back_is_the_next_one_of_its_band(
    queue: IngestQueue, desk: ClaimDesk, band: Band
) -> None:
    first, second = modules(2)
    queue.enqueue({first: [5], second: []}, band)
    assert desk.give_back(claim(desk))
    assert queue.get_lengths()[band] == 2
    again = claim(desk)
    assert (again.module_id, again.attempts, again.wanted) == (first, 1, frozenset({5}))


def test_a_job_without_its_description_runs_like_a_new_one(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    queue.enqueue({xul: [1]}, Band.AWAITED)
    redis_cache.delete(JOB_PREFIX + str(xul), WANT_PREFIX + str(xul))
    found = claim(desk)
    assert (found.module_id, found.attempts, found.wanted) == (xul, 1, frozenset())
    redis_cache.delete(JOB_PREFIX + str(xul))
    assert not desk.renew(found)
    desk.end(found)


def test_a_description_without_a_place_in_line_blocks_no_job(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    queue.enqueue({xul: [1]}, Band.AWAITED)
    redis_cache.delete(LINE_KEY)
    assert queue.find_ended([xul]) == queue.look([xul]).ended == {xul}
    assert queue.enqueue({xul: [2]}, Band.AWAITED).added == 1
    assert claim(desk).wanted == {2}


@pytest.mark.promise("Foreign values in the keys of the queue stop no worker, and are removed")
def test_an_invalid_module_id_is_removed_and_ends_no_worker(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    foreign = (b"\xff\xfe", b"os.getpid", b"", b"a/b", b"xul.pdb/44e4EC8C2F41492B9369D6B9A059577C2")
    redis_cache.zadd(LINE_KEY, dict.fromkeys(foreign, 0))
    redis_cache.zadd(RUNNING_KEY, {b"\xc3/\xc3": 1})
    queue.enqueue({xul: []}, Band.AWAITED)
    assert claim(desk).module_id == xul
    assert isinstance(desk.claim(), NothingToClaim)
    assert redis_cache.zrange(LINE_KEY, 0, -1) == []
    assert redis_cache.zrange(RUNNING_KEY, 0, -1) == [str(xul).encode()]


@pytest.mark.parametrize("wanted", [b"abc", b"123456789", b"x" * 7])
def test_invalid_offsets_are_dropped(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk, xul: ModuleId, wanted: bytes
) -> None:
    queue.enqueue({xul: []}, Band.AWAITED)
    redis_cache.set(WANT_PREFIX + str(xul), wanted)
    assert len(claim(desk).wanted) == len(wanted) // 8


@pytest.mark.promise("Foreign values in the keys of the queue stop no worker, and are removed")
@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "x", "9" * 23, "-1", "0x10", ""])
def test_fields_that_are_not_numbers_are_tolerated(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk, xul: ModuleId, number: str
) -> None:
    queue.enqueue({xul: [1]}, Band.AWAITED)
    for field in ("queued", "place", "attempts", "caller"):
        redis_cache.hset(JOB_PREFIX + str(xul), field, number)
    found = claim(desk)
    redis_cache.hset(JOB_PREFIX + str(xul), "place", number)
    assert desk.give_back(found)
    assert desk.end(claim(desk))
    assert queue.find_ended([xul]) == {xul}


@pytest.mark.promise("Foreign values in the keys of the queue stop no worker, and are removed")
@pytest.mark.parametrize("score", ["inf", "-inf", "-5", str(BAND_SIZE * 9)])
def test_scores_of_other_programs_are_tolerated(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk, xul: ModuleId, score: str
) -> None:
    for key in (LINE_KEY, RUNNING_KEY, AWAITED_KEY, TURNS_KEY):
        queue.enqueue({xul: []}, Band.AWAITED)
        redis_cache.zadd(key, {str(xul): float(score), "0:": float(score)})
        found = claim(desk)
        assert found.module_id == xul
        assert queue.look([xul]).ended == frozenset()
        redis_cache.zadd(RUNNING_KEY, {str(xul): 0})
        desk.end(claim(desk))
        redis_cache.delete(key)


@pytest.mark.parametrize("key", [LINE_KEY, RUNNING_KEY, AWAITED_KEY, TURNS_KEY, BELL_KEY])
def test_a_key_of_another_type_is_dropped(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk, xul: ModuleId, key: str
) -> None:
    queue.enqueue({xul: []}, Band.AWAITED)
    redis_cache.delete(key)
    redis_cache.set(key, "of somebody else")
    queue.enqueue({xul: [7]}, Band.AWAITED)
    found = claim(desk)
    assert found.module_id == xul
    assert found.wanted == {7}


@pytest.mark.parametrize("prefix", [JOB_PREFIX, WANT_PREFIX])
def test_a_description_of_another_type_is_dropped(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk, xul: ModuleId, prefix: str
) -> None:
    for do in (lambda: queue.enqueue({xul: [7]}, Band.AWAITED), desk.claim):
        redis_cache.delete(prefix + str(xul))
        redis_cache.lpush(prefix + str(xul), "of somebody else")
        do()
    redis_cache.delete(prefix + str(xul))
    redis_cache.lpush(prefix + str(xul), "of somebody else")
    assert queue.find_ended([xul]) == frozenset()


def test_a_new_job_rings_for_a_worker_that_waits(
    queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    nothing = desk.claim()
    assert isinstance(nothing, NothingToClaim)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(desk.wait, nothing, 60)
        queue.enqueue({xul: []}, Band.AWAITED)
        waiting.result(timeout=30)
    assert claim(desk).module_id == xul


def test_a_job_queued_before_the_wait_ends_it_at_once(
    queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    nothing = desk.claim()
    assert isinstance(nothing, NothingToClaim)
    queue.enqueue({xul: []}, Band.AWAITED)
    desk.wait(nothing, 3600)  # would time out


def test_a_dead_cache_is_an_error_of_ours(xul: ModuleId) -> None:
    with connect("unix:///nonexistent/socket") as client:
        queue = IngestQueue(client)
        for ask in (
            lambda: queue.enqueue({xul: []}, Band.AWAITED),
            lambda: queue.find_ended([xul]),
            queue.length,
            ClaimDesk(client, 60).claim,
        ):
            with pytest.raises(CacheUnavailableError):
                ask()


@pytest.mark.promise("The queue is bounded, and names the modules that it refuses", group="limits")
def test_a_full_queue_takes_no_more_and_names_what_it_refused(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk
) -> None:
    small = IngestQueue(redis_cache, max_queued=3)
    small.enqueue(dict.fromkeys(modules(2), ()), Band.AWAITED)
    enqueued = small.enqueue(dict.fromkeys(modules(5), (1,)), Band.AWAITED)
    assert (enqueued.added, enqueued.refused) == (1, frozenset(modules(5)[3:]))
    assert queue.length() == 3
    assert not redis_cache.exists(WANT_PREFIX + str(modules(5)[4]))
    again = small.enqueue(dict.fromkeys(modules(3), ()), Band.AWAITED)
    assert (again.added, again.refused) == (0, frozenset())
    desk.end(claim(desk))
    assert small.enqueue(dict.fromkeys(modules(5)[3:4], ()), Band.AWAITED).added == 1


def test_who_does_not_wait_leaves_room_for_those_who_do(
    redis_cache: redis.Redis, queue: IngestQueue
) -> None:
    small = IngestQueue(redis_cache, max_queued=10)
    for _ in range(2):  # which no caller can get around by asking again
        small.enqueue(dict.fromkeys(modules(9), ()), Band.WANTED, "a")
    assert queue.get_lengths()[Band.WANTED] == 5
    assert small.enqueue(dict.fromkeys(modules(20)[10:], ()), Band.AWAITED, "a").added == 5


@pytest.mark.parametrize("band", Band)
def test_a_caller_that_fills_the_queue_takes_no_room_from_callers_with_little_in_it(
    redis_cache: redis.Redis, queue: IngestQueue, xul: ModuleId, band: Band
) -> None:
    small = IngestQueue(redis_cache, max_queued=2_000)
    many = modules(2_100)
    small.enqueue(dict.fromkeys(many, ()), band, "a")
    length = queue.length()
    for caller in ("b", "c"):
        own = {ModuleId.parse(f"{caller}.so", f"{number:033X}"): () for number in range(4)}
        assert small.enqueue(own, band, caller).added == 2
        assert small.enqueue(own, band, caller).added == 0
    assert small.enqueue({xul: ()}, band, "a").refused == {xul}
    assert queue.length() == length + 4


def test_what_a_caller_no_longer_waits_for_counts_as_its_own_in_a_full_queue(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk, xul: ModuleId, libc: ModuleId
) -> None:
    small = IngestQueue(redis_cache, max_queued=3)
    given_up = ModuleId("first.so", "0" * 33)
    small.enqueue({given_up: ()}, Band.AWAITED, "b")
    redis_cache.zadd(AWAITED_KEY, {str(given_up): 1})
    small.enqueue(dict.fromkeys(modules(2), ()), Band.AWAITED, "a")
    assert claim(desk).module_id == modules(1)[0]  # after that which went behind
    small.enqueue(dict.fromkeys(modules(3), ()), Band.AWAITED, "a")
    assert queue.get_lengths() == {Band.AWAITED: 2, Band.WANTED: 1, Band.PREFETCH: 0}
    assert small.enqueue({libc: ()}, Band.AWAITED, "b").refused == {libc}
    assert small.enqueue({xul: ()}, Band.AWAITED, "c").refused == frozenset()


def test_prefetches_take_no_room_from_awaited_modules(
    redis_cache: redis.Redis, queue: IngestQueue, xul: ModuleId
) -> None:
    small = IngestQueue(redis_cache, max_queued=3)
    small.enqueue(dict.fromkeys(modules(3), ()), Band.PREFETCH)
    assert small.enqueue({xul: ()}, Band.PREFETCH).refused == {xul}
    assert small.enqueue({xul: ()}, Band.AWAITED).added == 1
    assert queue.length() == 4
