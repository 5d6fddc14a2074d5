"""The queue after any steps, compared with a model that searches a list of jobs."""

from dataclasses import dataclass
from typing import Any

import pytest
import redis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from symbolon_server.cache.invalidations import InvalidationLog
from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.ingest.queueing.claims import ClaimDesk, NothingToClaim
from symbolon_server.ingest.queueing.jobs import Band, Claim
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.ingest.queueing.scripts import (
    AWAITED_KEY,
    JOB_PREFIX,
    LINE_KEY,
    RUNNING_KEY,
    SPOOLED_KEY,
    SPOOLS_KEY,
    WANT_PREFIX,
)
from symbolon_server.symbols.ground.module_ids import ModuleId

MODULES = [ModuleId.parse(f"module{number}.so", f"{number:033X}") for number in range(8)]
CALLERS = ["a", "b", "c"]
MOST_QUEUED = 5
SPOOLS = [0, 1, 2**48]
"""Those of workers: 0 has none."""

LONG_SECONDS = 600.0

modules = st.sampled_from(MODULES)
spools = st.sampled_from(SPOOLS)


@dataclass
class Job:
    """A job of the model, in line or running."""

    band: Band
    turn: int
    caller: str
    wanted: set[int]
    attempts: int = 0
    is_awaited: bool = False
    claim: Claim | None = None
    is_stale: bool = False
    """Whether its module was invalidated since it was claimed."""

    handed_to: int | None = None
    """The spool whose workers are to claim it."""

    @property
    def is_in_line(self) -> bool:
        return self.claim is None and self.handed_to is None


class Model:
    """Jobs by module; every operation looks at all of them."""

    def __init__(self) -> None:
        self.jobs: dict[ModuleId, Job] = {}
        self.turns: dict[tuple[Band, str], int] = {}
        self.spooled: dict[ModuleId, int] = {}
        self.seen: set[int] = set()

    def in_line(self, *bands: Band) -> list[Job]:
        return [job for job in self.jobs.values() if job.is_in_line and job.band in bands]

    def next_turn(self, band: Band, caller: str) -> int:
        """Return a caller's next turn; forget those that have passed."""
        head = min((job.turn for job in self.in_line(band)), default=None)
        self.turns = {
            (of, name): turn
            for (of, name), turn in self.turns.items()
            if of is not band or (head is not None and turn >= head)
        }
        return max(head or 0, self.turns.get((band, caller), 0))

    def place(self, job: Job, band: Band) -> None:
        """Move a job to another band, into the place of its caller's turn."""
        job.turn = self.next_turn(band, job.caller)
        job.band = band
        self.turns[band, job.caller] = job.turn + 1

    def backlog(self, band: Band, caller: str) -> int:
        """Return how many turns a caller has taken from the head of a band on."""
        turns = [job.turn for job in self.in_line(band)]
        return max(0, self.turns.get((band, caller), 0) - min(turns)) if turns else 0

    def enqueue(self, wanted: dict[ModuleId, set[int]], band: Band, caller: str) -> set[ModuleId]:
        counted = (Band.PREFETCH,) if band is Band.PREFETCH else (Band.AWAITED, Band.WANTED)
        most = MOST_QUEUED if band is not Band.WANTED else -(-MOST_QUEUED // 2)
        backlog = sum(self.backlog(of, caller) for of in counted)
        room = max(most - len(self.in_line(*counted)), 1 - backlog)
        refused = set()
        turn = first = self.next_turn(band, caller)
        for module_id, offsets in wanted.items():
            job = self.jobs.get(module_id)
            if job is None and room <= 0:
                refused.add(module_id)
                continue
            if job is None:
                room -= 1
                job = self.jobs[module_id] = Job(band, turn, caller, set())
                turn += 1
            elif job.claim is None and job.band > band:
                job.band, job.turn, job.caller = band, turn, caller
                turn += 1
            job.wanted |= offsets
            job.is_awaited |= band is Band.AWAITED and job.is_in_line
        if turn > first:
            self.turns[band, caller] = turn
        return refused

    def next(self, spool: int) -> set[ModuleId]:
        """Return the modules of which a worker with this spool is to claim one.

        Jobs without waiting callers are moved back, and those for other spools handed on.
        """
        self.seen |= {spool} - {0}
        handed = [(m, job) for m, job in self.jobs.items() if job.handed_to == spool != 0]
        own = min(handed, key=_order, default=None)
        if own is not None and all(own[1].band <= job.band for job in self.in_line(*Band)):
            return {own[0]}
        while waiting := [(m, job) for m, job in self.jobs.items() if job.is_in_line]:
            module_id, job = min(waiting, key=_order)
            other = self.spooled.get(module_id, spool)
            if job.band is Band.AWAITED and not job.is_awaited:
                self.place(job, Band.WANTED)
            elif other == spool or other not in self.seen:
                return {module_id}
            else:
                job.handed_to, job.is_awaited = other, False
                del self.spooled[module_id]
        return set() if own is None else {own[0]}


def _order(item: tuple[ModuleId, Job]) -> tuple[Band, int, str]:
    module_id, job = item
    return job.band, job.turn, str(module_id)


class QueueMachine(RuleBasedStateMachine):
    """Takes the same steps on a real queue and on the model."""

    client: Any
    """A client of the real cache; redis-py types it loosely."""

    @initialize()
    def begin(self) -> None:
        self.client.flushall()
        self.queue = IngestQueue(self.client, max_queued=MOST_QUEUED)
        self.desks = {
            spool: ClaimDesk(self.client, LONG_SECONDS, spool=spool, patience_seconds=LONG_SECONDS)
            for spool in SPOOLS
        }
        self.desk = self.desks[0]
        self.log = InvalidationLog(KeyedCache(self.client))
        self.model = Model()
        self.lost: list[Claim] = []

    @rule(
        wanted=st.dictionaries(modules, st.frozensets(st.integers(0, 3)), min_size=1, max_size=4),
        band=st.sampled_from(Band),
        caller=st.sampled_from(CALLERS),
    )
    def enqueue(self, wanted: dict[ModuleId, frozenset[int]], band: Band, caller: str) -> None:
        known = len(self.model.jobs)
        refused = self.model.enqueue({m: set(o) for m, o in wanted.items()}, band, caller)
        enqueued = self.queue.enqueue(wanted, band, caller)
        assert enqueued.refused == refused
        assert enqueued.added == len(self.model.jobs) - known

    @rule(spool=spools)
    def claim(self, spool: int) -> None:
        found = self.desks[spool].claim()
        expected = self.model.next(spool)
        if not expected:
            assert isinstance(found, NothingToClaim)
            return
        assert isinstance(found, Claim)
        assert found.module_id in expected
        self.take(found)

    def take(self, found: Claim) -> None:
        job = self.model.jobs[found.module_id]
        job.attempts += 1
        job.claim, job.handed_to, job.is_awaited, job.is_stale = found, None, False, False
        assert found.attempts == job.attempts
        assert found.wanted == job.wanted

    def running(self) -> list[tuple[ModuleId, Job]]:
        return [(m, job) for m, job in self.model.jobs.items() if not job.is_in_line]

    def claimed(self) -> list[Job]:
        return [job for job in self.model.jobs.values() if job.claim is not None]

    @precondition(lambda self: self.running())
    @rule(chance=st.randoms(use_true_random=False), spool=spools)
    def lapse(self, chance: Any, spool: int) -> None:
        """Let a worker die, or not take what was handed on to it, and another one claim the job."""
        module_id, job = chance.choice(self.running())
        self.client.zadd(RUNNING_KEY, {str(module_id): 1})
        if job.handed_to in self.model.seen:
            self.claim(spool)  # those who have it take others first
            return
        found = self.desks[spool].claim()
        assert isinstance(found, Claim)
        assert found.module_id == module_id
        if job.claim is not None:
            self.lost.append(job.claim)
        self.take(found)

    @rule(some=st.sets(modules, min_size=4), spool=st.sampled_from(SPOOLS[1:]))
    def spool(self, some: set[ModuleId], spool: int) -> None:
        """Let a spool have got some modules from earlier jobs, the last of them just now."""
        self.client.zadd(SPOOLED_KEY, {str(module_id): spool for module_id in some})
        self.client.zadd(SPOOLS_KEY, {spool: self.client.time()[0] * 1000})
        self.model.spooled |= dict.fromkeys(some, spool)
        self.model.seen.add(spool)

    @rule(spool=spools)
    def lose_workers(self, spool: int) -> None:
        """Let none of a spool's workers have claimed anything lately."""
        self.client.zrem(SPOOLS_KEY, spool)
        self.model.seen.discard(spool)

    @precondition(lambda self: self.claimed())
    @rule(
        chance=st.randoms(use_true_random=False),
        is_end=st.booleans(),
        spool=spools,
        is_spooled=st.booleans(),
    )
    def finish(self, chance: Any, is_end: bool, spool: int, is_spooled: bool) -> None:
        job = chance.choice(self.claimed())
        desk, claim = self.desks[spool], job.claim
        assert desk.renew(claim)
        if is_end:
            assert desk.end(claim, is_spooled=is_spooled) is not job.is_stale
        if is_end and not job.is_stale:
            del self.model.jobs[claim.module_id]
            if is_spooled and spool:
                self.model.spooled[claim.module_id] = spool
        else:
            assert desk.give_back(claim)
            job.claim, job.attempts = None, job.attempts - 1
            job.is_awaited = job.band is Band.AWAITED
        self.lost.append(claim)

    @precondition(lambda self: self.lost)
    @rule(chance=st.randoms(use_true_random=False))
    def do_nothing_with_a_lost_claim(self, chance: Any) -> None:
        lost = chance.choice(self.lost)
        assert not self.desk.renew(lost)
        assert not self.desk.give_back(lost)
        self.desk.end(lost)

    @rule(module_id=modules)
    def invalidate(self, module_id: ModuleId) -> None:
        assert self.log.add([module_id], self.log.read_since(0, "").epoch)
        if module_id in self.model.jobs:
            self.model.jobs[module_id].is_stale = True

    @rule(module_id=modules)
    def stop_waiting(self, module_id: ModuleId) -> None:
        job = self.model.jobs.get(module_id)
        if job is not None and job.is_awaited:
            self.client.zadd(AWAITED_KEY, {str(module_id): 1})
            job.is_awaited = False

    @rule(some=st.sets(modules, min_size=1))
    def look(self, some: set[ModuleId]) -> None:
        look = self.queue.look(some)
        assert look.ended == {m for m in some if m not in self.model.jobs}
        in_line = {m: job for m, job in self.model.jobs.items() if job.is_in_line and m in some}
        assert look.behind == {m for m, job in in_line.items() if job.band is not Band.AWAITED}
        for job in in_line.values():
            job.is_awaited |= job.band is Band.AWAITED

    @invariant()
    def keys_fit_each_other(self) -> None:
        line, running, awaited = (
            set(self.client.zrange(key, 0, -1)) for key in (LINE_KEY, RUNNING_KEY, AWAITED_KEY)
        )
        jobs = self.described(JOB_PREFIX)
        assert not line & running
        assert jobs == line | running
        assert self.described(WANT_PREFIX) <= jobs
        assert awaited <= line
        assert running == {str(module_id).encode() for module_id, _ in self.running()}
        spooled = self.client.zrange(SPOOLED_KEY, 0, -1, withscores=True)
        assert dict(spooled) == {str(m).encode(): s for m, s in self.model.spooled.items()}
        assert jobs == {str(module_id).encode() for module_id in self.model.jobs}
        lengths = {band: len(self.model.in_line(band)) for band in Band}
        assert self.queue.get_lengths() == lengths

    def described(self, prefix: str) -> set[bytes]:
        pattern = prefix.replace("{", "\\{").replace("}", "\\}") + "*"
        return {key.removeprefix(prefix.encode()) for key in self.client.keys(pattern)}


@pytest.mark.promise("A module has a job if and only if it is in line or running")
@pytest.mark.timeout(300)
def test_the_queue_equals_the_model_after_any_steps(
    redis_cache: redis.Redis, queue: IngestQueue
) -> None:
    del queue  # emptied the cache

    class Machine(QueueMachine):
        client = redis_cache

    run_state_machine_as_test(
        Machine, settings=settings(max_examples=25, stateful_step_count=40, deadline=None)
    )
