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
    WANT_PREFIX,
)
from symbolon_server.symbols.ground.module_ids import ModuleId

MODULES = [ModuleId.parse(f"module{number}.so", f"{number:033X}") for number in range(8)]
CALLERS = ["a", "b", "c"]
MOST_QUEUED = 5

modules = st.sampled_from(MODULES)


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


class Model:
    """Jobs by module; every operation looks at all of them."""

    def __init__(self) -> None:
        self.jobs: dict[ModuleId, Job] = {}
        self.turns: dict[tuple[Band, str], int] = {}

    def in_line(self, *bands: Band) -> list[Job]:
        return [job for job in self.jobs.values() if job.claim is None and job.band in bands]

    def place(self, job: Job, band: Band) -> None:
        """Put a job into the place of its caller's turn."""
        head = min((other.turn for other in self.in_line(band) if other is not job), default=None)
        self.turns = {
            (of, caller): turn
            for (of, caller), turn in self.turns.items()
            if of is not band or (head is not None and turn >= head)
        }
        turn = max(head or 0, self.turns.get((band, job.caller), 0))
        job.band, job.turn = band, turn
        self.turns[band, job.caller] = turn + 1

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
        for module_id, offsets in wanted.items():
            job = self.jobs.get(module_id)
            if job is None and room <= 0:
                refused.add(module_id)
                continue
            if job is None:
                room -= 1
                job = Job(band, 0, caller, set())
                self.place(job, band)
                self.jobs[module_id] = job
            elif job.claim is None and job.band > band:
                job.caller = caller
                self.place(job, band)
            job.wanted |= offsets
            job.is_awaited |= band is Band.AWAITED and job.claim is None
        return refused

    def next(self) -> tuple[ModuleId, Job] | None:
        """Return the job to claim next, after moving back those without waiting callers."""
        while waiting := [(m, job) for m, job in self.jobs.items() if job.claim is None]:
            module_id, job = min(
                waiting, key=lambda item: (item[1].band, item[1].turn, str(item[0]))
            )
            if job.band is not Band.AWAITED or job.is_awaited:
                return module_id, job
            self.place(job, Band.WANTED)
        return None


class QueueMachine(RuleBasedStateMachine):
    """Takes the same steps on a real queue and on the model."""

    client: Any
    """A client of the real cache; redis-py types it loosely."""

    @initialize()
    def begin(self) -> None:
        self.client.flushall()
        self.queue = IngestQueue(self.client, max_queued=MOST_QUEUED)
        self.desk = ClaimDesk(self.client, lease_seconds=600)
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

    @rule()
    def claim(self) -> None:
        found = self.desk.claim()
        expected = self.model.next()
        if expected is None:
            assert isinstance(found, NothingToClaim)
            return
        assert isinstance(found, Claim)
        module_id, job = expected
        job.attempts += 1
        job.claim, job.is_awaited, job.is_stale = found, False, False
        assert (found.module_id, found.attempts) == (module_id, job.attempts)
        assert found.wanted == job.wanted

    def running(self) -> list[Job]:
        return [job for job in self.model.jobs.values() if job.claim is not None]

    @precondition(lambda self: self.running())
    @rule(chance=st.randoms(use_true_random=False))
    def lapse(self, chance: Any) -> None:
        """Let a worker die and another one claim its job."""
        job = chance.choice(self.running())
        self.client.zadd(RUNNING_KEY, {str(job.claim.module_id): 1})
        found = self.desk.claim()
        assert isinstance(found, Claim)
        job.attempts += 1
        assert (found.module_id, found.attempts) == (job.claim.module_id, job.attempts)
        self.lost.append(job.claim)
        job.claim, job.is_stale = found, False

    @precondition(lambda self: self.running())
    @rule(chance=st.randoms(use_true_random=False), is_end=st.booleans())
    def finish(self, chance: Any, is_end: bool) -> None:
        job = chance.choice(self.running())
        claim = job.claim
        assert self.desk.renew(claim)
        if is_end:
            assert self.desk.end(claim) is not job.is_stale
        if is_end and not job.is_stale:
            del self.model.jobs[claim.module_id]
        else:
            assert self.desk.give_back(claim)
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
        in_line = {m: job for m, job in self.model.jobs.items() if job.claim is None and m in some}
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
        claims = [job.claim for job in self.model.jobs.values() if job.claim is not None]
        assert running == {str(claim.module_id).encode() for claim in claims}
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
