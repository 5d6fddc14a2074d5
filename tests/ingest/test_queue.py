"""The queue: one job for a module, taken in the right order, never lost."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import redis
from rq.job import Job
from rq.queue import Queue

from symbolon_server.cache.keyed_cache import CacheUnavailableError
from symbolon_server.cache.servers import connect
from symbolon_server.ingest.claims import ClaimDesk, NothingToClaim
from symbolon_server.ingest.jobs import JOB_SERIALIZER, Claim, Priority, job_id_for
from symbolon_server.ingest.queue import MAX_WANTED_OFFSETS, IngestQueue, QueueFullError
from symbolon_server.ingest.scripts import WANTED_PREFIX
from symbolon_server.symbols.asked_modules import AskedModule
from symbolon_server.symbols.module_ids import ModuleId


def claim(desk: ClaimDesk) -> Claim:
    found = desk.claim()
    assert isinstance(found, Claim)
    return found


def modules(count: int) -> list[ModuleId]:
    return [ModuleId.parse(f"module{number}.so", f"{number:033X}") for number in range(count)]


def test_a_module_is_queued_once_however_often_it_is_wanted(
    queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    assert queue.enqueue({xul: []}, Priority.INTERACTIVE) == 1
    assert queue.enqueue({xul: []}, Priority.INTERACTIVE) == 0
    assert claim(desk).module_id == xul
    assert queue.enqueue({xul: []}, Priority.INTERACTIVE) == 0  # it is being done
    assert isinstance(desk.claim(), NothingToClaim)


def test_what_callers_tell_of_a_module_comes_along_with_its_job(
    queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    told = AskedModule(xul, "xul.dll", "5F3A1B2C4D000", lacks_age=True)
    queue.enqueue({xul: [1]}, Priority.INTERACTIVE, [told])
    taken = claim(desk)
    assert taken.asked == told
    desk.give_back(taken)
    assert claim(desk).asked == told


def test_later_callers_add_what_the_first_did_not_tell(
    queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    queue.enqueue({xul: []}, Priority.PREFETCH)
    queue.enqueue({xul: []}, Priority.INTERACTIVE, [AskedModule(xul, "xul.dll")])
    queue.enqueue({xul: []}, Priority.INTERACTIVE, [AskedModule(xul, "other.dll", "5F")])
    assert claim(desk).asked == AskedModule(xul, "xul.dll", "5F")


def test_a_new_job_knows_nothing_of_what_was_told_of_an_earlier_one(
    queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    queue.enqueue({xul: []}, Priority.INTERACTIVE, [AskedModule(xul, "xul.dll", "5F")])
    desk.end(claim(desk))
    queue.enqueue({xul: []}, Priority.INTERACTIVE)
    assert claim(desk).asked == AskedModule(xul)


def test_what_a_queue_says_of_code_files_leads_to_no_other_folder(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    queue.enqueue({xul: []}, Priority.INTERACTIVE)
    for field, value in (("code_file", ".."), ("code_id", "../../etc")):
        redis_cache.hset(f"rq:job:{job_id_for(xul)}", field, value)
    assert claim(desk).asked == AskedModule(xul)


def test_many_who_ask_at_once_cause_one_job(
    redis_cache: redis.Redis, queue: IngestQueue, xul: ModuleId
) -> None:
    callers = 16
    barrier = Barrier(callers)

    def ask(_: int) -> int:
        own_queue = IngestQueue(redis_cache)
        barrier.wait()
        return own_queue.enqueue({xul: [1]}, Priority.INTERACTIVE)

    with ThreadPoolExecutor(callers) as pool:
        assert sum(pool.map(ask, range(callers))) == 1
    assert queue.length() == 1


def test_a_job_that_ended_can_be_queued_again_at_once(
    queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    queue.enqueue({xul: [1]}, Priority.INTERACTIVE)
    desk.end(claim(desk))
    assert queue.enqueue({xul: [2]}, Priority.INTERACTIVE) == 1
    assert claim(desk).wanted == {2}


def test_an_ended_job_leaves_nothing_behind(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    queue.enqueue({xul: [1]}, Priority.INTERACTIVE)
    desk.end(claim(desk))
    log_of_invalidations = {b"invalidated", b"invalidated:epoch"}
    assert set(redis_cache.keys("*")) - log_of_invalidations == {b"ingest:bell"}
    assert redis_cache.xlen("ingest:bell") == 1


def test_the_offsets_of_all_callers_come_together(
    queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    queue.enqueue({xul: [1, 2]}, Priority.INTERACTIVE)
    queue.enqueue({xul: [2, 2**64 - 1]}, Priority.INTERACTIVE)
    assert claim(desk).wanted == {1, 2, 2**64 - 1}


def test_the_offsets_of_a_job_are_bounded(
    queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    for start in range(0, 10 * MAX_WANTED_OFFSETS, MAX_WANTED_OFFSETS):
        queue.enqueue({xul: range(start, start + 5_000)}, Priority.INTERACTIVE)
    assert len(claim(desk).wanted) == MAX_WANTED_OFFSETS


def test_interactive_jobs_go_before_prefetches(queue: IngestQueue, desk: ClaimDesk) -> None:
    first, second, third = modules(3)
    queue.enqueue({first: []}, Priority.PREFETCH)
    queue.enqueue({second: []}, Priority.INTERACTIVE)
    queue.enqueue({third: []}, Priority.INTERACTIVE)
    assert [claim(desk).module_id for _ in range(3)] == [second, third, first]


def test_a_module_queued_as_a_prefetch_overtakes_when_somebody_waits_for_it(
    queue: IngestQueue, desk: ClaimDesk
) -> None:
    first, second, third = modules(3)
    queue.enqueue({first: [], second: [], third: []}, Priority.PREFETCH)
    assert queue.enqueue({third: [7]}, Priority.INTERACTIVE) == 0
    assert queue.get_lengths() == {Priority.INTERACTIVE: 1, Priority.PREFETCH: 2}
    overtaker = claim(desk)
    assert (overtaker.module_id, overtaker.wanted) == (third, frozenset({7}))
    assert [claim(desk).module_id for _ in range(2)] == [first, second]


def test_a_prefetch_does_not_hold_up_an_interactive_job(
    queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    queue.enqueue({xul: []}, Priority.INTERACTIVE)
    queue.enqueue({xul: []}, Priority.PREFETCH)
    assert queue.get_lengths() == {Priority.INTERACTIVE: 1, Priority.PREFETCH: 0}
    assert claim(desk).module_id == xul


def test_sixty_modules_are_one_round_trip(redis_cache: redis.Redis, queue: IngestQueue) -> None:
    queue.enqueue(dict.fromkeys(modules(1), ()), Priority.INTERACTIVE)  # loads the script
    redis_cache.config_resetstat()
    queue.enqueue(dict.fromkeys(modules(60), (1, 2, 3)), Priority.INTERACTIVE)
    asked = redis_cache.info("commandstats")
    assert asked["cmdstat_evalsha"]["calls"] == 1
    assert "cmdstat_eval" not in asked
    assert queue.length() == 60


def test_a_job_is_one_that_rq_can_read(
    redis_cache: redis.Redis, queue: IngestQueue, xul: ModuleId
) -> None:
    queue.enqueue({xul: []}, Priority.PREFETCH)
    [job] = Queue("prefetch", connection=redis_cache, serializer=JOB_SERIALIZER).get_jobs()
    assert (job.id, job.args, job.description) == (job_id_for(xul), [str(xul)], str(xul))
    assert job.get_status() == "queued"


def test_a_lease_that_lapsed_gives_the_job_to_the_next_worker(
    queue: IngestQueue, hasty_desk: ClaimDesk, desk: ClaimDesk, xul: ModuleId
) -> None:
    queue.enqueue({xul: [3]}, Priority.INTERACTIVE)
    lost = claim(hasty_desk)
    found = claim(desk)
    assert (found.module_id, found.attempts, found.wanted) == (xul, 2, frozenset({3}))
    assert lost.attempts == 1
    assert isinstance(desk.claim(), NothingToClaim)


def test_a_renewed_lease_is_left_alone(
    queue: IngestQueue, hasty_desk: ClaimDesk, desk: ClaimDesk, xul: ModuleId
) -> None:
    queue.enqueue({xul: []}, Priority.INTERACTIVE)
    mine = claim(hasty_desk)
    assert desk.renew(mine)
    assert isinstance(desk.claim(), NothingToClaim)


def test_who_lost_a_job_cannot_end_it_for_the_next_worker(
    queue: IngestQueue, hasty_desk: ClaimDesk, desk: ClaimDesk, xul: ModuleId
) -> None:
    queue.enqueue({xul: []}, Priority.INTERACTIVE)
    lost = claim(hasty_desk)
    held = claim(desk)
    assert not desk.renew(lost)
    assert not desk.give_back(lost)
    desk.end(lost)
    assert queue.find_ended([xul]) == frozenset()
    desk.end(held)
    assert queue.find_ended([xul]) == {xul}


@pytest.mark.parametrize("priority", Priority)
def test_a_job_given_back_is_the_next_one_of_its_queue(
    queue: IngestQueue, desk: ClaimDesk, priority: Priority
) -> None:
    first, second = modules(2)
    queue.enqueue({first: [5], second: []}, priority)
    assert desk.give_back(claim(desk))
    assert queue.get_lengths()[priority] == 2
    again = claim(desk)
    assert (again.module_id, again.attempts, again.wanted) == (first, 1, frozenset({5}))


def test_a_hash_without_its_place_in_a_queue_does_not_block_its_module(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    queue.enqueue({xul: []}, Priority.INTERACTIVE)
    redis_cache.delete("rq:queue:interactive")
    redis_cache.hset(f"rq:job:{job_id_for(xul)}", "seen_in_queue", 0)  # over a minute ago
    assert queue.find_ended([xul]) == {xul}
    redis_cache.hset(f"rq:job:{job_id_for(xul)}", "seen_in_queue", 0)
    assert queue.enqueue({xul: []}, Priority.INTERACTIVE) == 1
    assert claim(desk).module_id == xul


def test_a_job_long_in_the_queue_is_not_queued_twice(
    redis_cache: redis.Redis, queue: IngestQueue, xul: ModuleId
) -> None:
    queue.enqueue({xul: []}, Priority.PREFETCH)
    redis_cache.hset(f"rq:job:{job_id_for(xul)}", "seen_in_queue", 0)
    assert queue.find_ended([xul]) == frozenset()
    redis_cache.hset(f"rq:job:{job_id_for(xul)}", "seen_in_queue", 0)
    assert queue.enqueue({xul: []}, Priority.PREFETCH) == 0
    assert queue.length() == 1


@pytest.mark.parametrize("status", ["failed", "finished", "started"])
def test_what_another_worker_program_left_does_not_block_a_module(
    redis_cache: redis.Redis, queue: IngestQueue, xul: ModuleId, status: str
) -> None:
    redis_cache.hset(f"rq:job:{job_id_for(xul)}", "status", status)
    assert queue.find_ended([xul]) == {xul}
    assert queue.enqueue({xul: []}, Priority.INTERACTIVE) == 1


def test_a_job_of_somebody_else_is_dropped(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    foreign = Queue("interactive", connection=redis_cache).enqueue("os.getpid")
    queue.enqueue({xul: []}, Priority.INTERACTIVE)
    assert claim(desk).module_id == xul
    assert not Job.exists(foreign.id, connection=redis_cache)


def test_a_new_job_rings_for_a_worker_that_waits(
    queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    nothing = desk.claim()
    assert isinstance(nothing, NothingToClaim)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(desk.wait, nothing, 60)
        queue.enqueue({xul: []}, Priority.INTERACTIVE)
        waiting.result(timeout=30)
    assert claim(desk).module_id == xul


def test_a_job_that_came_before_the_wait_is_not_waited_for(
    queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    nothing = desk.claim()
    assert isinstance(nothing, NothingToClaim)
    queue.enqueue({xul: []}, Priority.INTERACTIVE)
    desk.wait(nothing, 3600)  # would time out


def test_a_dead_cache_is_an_error_of_ours(xul: ModuleId) -> None:
    with connect("unix:///nonexistent/socket") as client:
        queue = IngestQueue(client)
        for ask in (
            lambda: queue.enqueue({xul: []}, Priority.INTERACTIVE),
            lambda: queue.find_ended([xul]),
            queue.length,
            ClaimDesk(client, 60).claim,
        ):
            with pytest.raises(CacheUnavailableError):
                ask()


def test_a_full_queue_takes_no_more_and_says_so(redis_cache: redis.Redis, desk: ClaimDesk) -> None:
    queue = IngestQueue(redis_cache, max_queued=3)
    redis_cache.flushall()
    queue.enqueue(dict.fromkeys(modules(2), ()), Priority.INTERACTIVE)
    with pytest.raises(QueueFullError, match="2 modules"):
        queue.enqueue(dict.fromkeys(modules(5), (1,)), Priority.INTERACTIVE)
    assert queue.length() == 3
    assert not redis_cache.exists(WANTED_PREFIX + job_id_for(modules(5)[4]))
    assert queue.enqueue(dict.fromkeys(modules(3), ()), Priority.INTERACTIVE) == 0
    desk.end(claim(desk))
    assert queue.enqueue(dict.fromkeys(modules(5)[3:4], ()), Priority.INTERACTIVE) == 1


def test_prefetches_take_no_place_from_those_that_somebody_waits_for(
    redis_cache: redis.Redis, xul: ModuleId
) -> None:
    queue = IngestQueue(redis_cache, max_queued=3)
    redis_cache.flushall()
    queue.enqueue(dict.fromkeys(modules(3), ()), Priority.PREFETCH)
    with pytest.raises(QueueFullError):
        queue.enqueue({xul: ()}, Priority.PREFETCH)
    assert queue.enqueue({xul: ()}, Priority.INTERACTIVE) == 1
