"""The cost of a step does not depend on the length of the queue, and callers take turns."""

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import Self

import pytest
import redis

from symbolon_server.ingest.queueing.claims import ClaimDesk
from symbolon_server.ingest.queueing.jobs import Band, Claim
from symbolon_server.ingest.queueing.queue import MAX_WANTED_OFFSETS, IngestQueue
from symbolon_server.ingest.queueing.scripts import AWAITED_KEY, BAND_SIZE, TURNS_KEY
from symbolon_server.redis_servers.embedded import EmbeddedOptions, EmbeddedRedis
from symbolon_server.redis_servers.servers import Timeouts, connect
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.ingest.symbol_files import numbered_module

FEW, MANY = 1_000, 100_000
SOME = 50
ROUNDS = FEW // SOME
MOST_TIMES = 2.0
"""A step that looks through the line costs at least eight times as much. One that does not costs
somewhat more, too: a search takes longer, and less of the line is in the CPU's cache.
"""


@dataclass(frozen=True, slots=True)
class Line:
    """A Redis server with so many queued modules."""

    client: redis.Redis
    modules: list[ModuleId]

    @classmethod
    def fill(cls, client: redis.Redis, queued: int) -> Self:
        modules = [numbered_module(number) for number in range(queued)]
        IngestQueue(client).enqueue(dict.fromkeys(modules, ()), Band.PREFETCH)
        return cls(client, modules)

    @property
    def queue(self) -> IngestQueue:
        return IngestQueue(self.client)

    def cost(self, step: "Step", some: list[ModuleId]) -> float:
        """Return the CPU time that a step takes Redis, whatever other programs take."""
        before = self._cpu_seconds()
        step(self, some)
        return self._cpu_seconds() - before

    def _cpu_seconds(self) -> float:
        cpu = self.client.info("cpu")
        return float(cpu["used_cpu_sys"]) + float(cpu["used_cpu_user"])


Step = Callable[[Line, list[ModuleId]], object]


def overtake(line: Line, some: list[ModuleId]) -> None:
    line.queue.enqueue(dict.fromkeys(some, ()), Band.AWAITED)


def ask_again(line: Line, some: list[ModuleId]) -> None:
    line.queue.enqueue(dict.fromkeys(some, (1, 2)), Band.PREFETCH)


def look(line: Line, some: list[ModuleId]) -> None:
    line.queue.look(some * 10)


def claim_and_end(line: Line, _some: list[ModuleId]) -> None:
    desk = ClaimDesk(line.client, lease_seconds=600)
    for _ in range(20):
        found = desk.claim()
        assert isinstance(found, Claim)
        desk.end(found)


def claim_and_look_through_a_list(line: Line, some: list[ModuleId]) -> None:
    """What a line in a Redis list would cost, at the least."""
    claim_and_end(line, some)
    for _ in range(20):
        assert line.client.lpos("list", "absent") is None


@pytest.fixture(scope="module")
def lines() -> Iterator[tuple[Line, Line]]:
    """A short and a long one, without a log, whose rewriting takes time of its own."""
    options = EmbeddedOptions(overrides={"appendonly": "no"})
    with ExitStack() as stack:

        def line_of(queued: int) -> Line:
            server = stack.enter_context(EmbeddedRedis.start("cache.conf", options))
            client = stack.enter_context(connect(server.url, Timeouts(60.0, 60.0)))
            return Line.fill(client, queued)

        yield line_of(FEW), line_of(MANY)


def is_as_cheap_in_a_long_line(lines: tuple[Line, Line], step: Step) -> bool:
    """Compare the best of some rounds; once a round has shown it, the others are not needed."""
    short, long = lines
    few, many = [], []
    for start in range(0, ROUNDS * SOME, SOME):
        some = short.modules[start : start + SOME]
        few.append(short.cost(step, some))
        many.append(long.cost(step, some))
        if min(many) <= MOST_TIMES * min(few):
            return True
    return False


@pytest.mark.promise(
    "A step of the queue costs the cache the same, however much is queued", group="ingests"
)
@pytest.mark.parametrize("step", [look, ask_again, overtake, claim_and_end])
def test_a_step_costs_the_cache_the_same_however_much_is_queued(
    lines: tuple[Line, Line], step: Step
) -> None:
    assert is_as_cheap_in_a_long_line(lines, step)


def test_a_step_that_looked_through_a_list_would_be_noticed(lines: tuple[Line, Line]) -> None:
    for line in lines:
        line.client.rpush("list", *map(str, line.modules))
    assert not is_as_cheap_in_a_long_line(lines, claim_and_look_through_a_list)


def claimed(desk: ClaimDesk) -> Iterator[ModuleId]:
    while isinstance(found := desk.claim(), Claim):
        desk.end(found)
        yield found.module_id


@pytest.mark.promise("Callers take turns: a new one waits for one round, however long the line")
@pytest.mark.parametrize("others", [1, 20])
def test_a_caller_waits_for_one_round_of_those_that_were_first(
    queue: IngestQueue, desk: ClaimDesk, xul: ModuleId, others: int
) -> None:
    number = 400
    for caller in range(others):
        some = [numbered_module(caller * number + at) for at in range(number)]
        queue.enqueue(dict.fromkeys(some, ()), Band.AWAITED, f"caller {caller}")
    queue.enqueue({xul: ()}, Band.AWAITED, "another")
    assert xul in list(islice(claimed(desk), others + 1))


@pytest.mark.promise("Callers take turns: a new one waits for one round, however long the line")
def test_an_awaited_module_comes_before_four_thousand_others(
    queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    many = [numbered_module(number) for number in range(4_000)]
    queue.enqueue(dict.fromkeys(many, ()), Band.WANTED, "a")
    queue.enqueue({xul: ()}, Band.AWAITED, "b")
    assert next(claimed(desk)) == xul


@pytest.mark.promise("Callers take turns: a new one waits for one round, however long the line")
def test_many_calls_of_one_caller_share_one_turn(
    queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    for number in range(20):
        queue.enqueue({numbered_module(number): ()}, Band.AWAITED, "a")
    queue.enqueue({xul: ()}, Band.AWAITED, "b")
    assert xul in list(islice(claimed(desk), 2))


@pytest.mark.promise("Callers take turns: a new one waits for one round, however long the line")
@pytest.mark.parametrize("turn", [math.inf, -math.inf, -1, BAND_SIZE - 1, BAND_SIZE, 3 * BAND_SIZE])
def test_a_turn_that_others_wrote_delays_no_caller(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk, xul: ModuleId, turn: float
) -> None:
    queue.enqueue({numbered_module(number): () for number in range(9)}, Band.AWAITED, "a")
    queue.enqueue({numbered_module(9): ()}, Band.PREFETCH, "a")
    redis_cache.zadd(TURNS_KEY, {"0:b": turn})
    queue.enqueue({xul: ()}, Band.AWAITED, "b")
    assert xul in list(islice(claimed(desk), 2))


def test_prefetches_of_a_caller_do_not_delay_what_it_waits_for(
    queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    queue.enqueue({numbered_module(number): () for number in range(300)}, Band.PREFETCH, "a")
    queue.enqueue({numbered_module(number): () for number in range(500, 510)}, Band.AWAITED, "b")
    queue.enqueue({xul: ()}, Band.AWAITED, "a")
    assert xul in list(islice(claimed(desk), 2))


def test_a_caller_whose_many_jobs_are_done_starts_level_with_others(
    queue: IngestQueue, desk: ClaimDesk, xul: ModuleId, libc: ModuleId
) -> None:
    queue.enqueue({numbered_module(number): () for number in range(300)}, Band.AWAITED, "a")
    assert len(list(claimed(desk))) == 300
    queue.enqueue({numbered_module(number): () for number in range(3)}, Band.AWAITED, "b")
    queue.enqueue({libc: ()}, Band.AWAITED, "a")
    queue.enqueue({xul: ()}, Band.AWAITED, "c")
    assert {libc, xul} <= set(islice(claimed(desk), 3))


def test_turns_of_many_callers_that_are_done_are_dropped_little_by_little(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk
) -> None:
    modules = iter(map(numbered_module, range(1_000)))
    for caller in range(250):
        queue.enqueue({next(modules): ()}, Band.AWAITED, f"caller {caller}")
    assert len(list(claimed(desk))) == 250
    left = []
    for _ in range(3):
        queue.enqueue({next(modules): ()}, Band.AWAITED, "another")
        left.append(redis_cache.zcard(TURNS_KEY))
        assert len(list(claimed(desk))) == 1
    assert left == [151, 51, 1]


def test_the_last_of_many_callers_that_are_done_begins_with_all_others(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    redis_cache.zadd(TURNS_KEY, {f"0:caller {number}": number for number in range(300)})
    queue.enqueue({numbered_module(number): () for number in range(9)}, Band.AWAITED, "another")
    queue.enqueue({xul: ()}, Band.AWAITED, "caller 299")
    assert xul in list(islice(claimed(desk), 2))


def test_modules_without_waiting_callers_move_back_and_are_never_refused(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk, xul: ModuleId, libc: ModuleId
) -> None:
    given_up = [numbered_module(number) for number in range(30)]
    small = IngestQueue(redis_cache, max_queued=31)
    small.enqueue(dict.fromkeys(given_up, ()), Band.AWAITED, "a")
    small.enqueue({xul: ()}, Band.AWAITED, "b")
    redis_cache.zadd(AWAITED_KEY, {str(module_id): 1 for module_id in given_up})
    found = desk.claim()
    assert isinstance(found, Claim)
    assert found.module_id == xul
    look = queue.look([given_up[0], xul, libc])
    assert look.behind == {given_up[0]}
    assert look.ended == {libc}
    # A caller waits again.
    assert small.enqueue({given_up[0]: ()}, Band.AWAITED, "c").refused == frozenset()
    assert next(claimed(desk)) == given_up[0]
    assert set(claimed(desk)) == set(given_up[1:])


def test_long_names_count_in_the_size_of_a_step(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk
) -> None:
    modules = [ModuleId("m" * 255, f"{at:033X}") for at in range(200)]
    told = [AskedModule(module_id, "f" * 255, "A" * 255) for module_id in modules]
    queue.enqueue({modules[0]: ()}, Band.AWAITED)  # loads the script
    redis_cache.config_resetstat()
    queue.enqueue(dict.fromkeys(modules, range(50)), Band.AWAITED, asked=told)
    # 1,200 bytes each, of 100,000
    assert redis_cache.info("commandstats")["cmdstat_evalsha"]["calls"] == 3
    assert len(list(claimed(desk))) == 200


def test_offsets_of_many_modules_go_in_steps_of_bounded_size(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk
) -> None:
    wanted = {numbered_module(at): range(at, at + MAX_WANTED_OFFSETS) for at in range(100)}
    redis_cache.config_resetstat()
    queue.enqueue(wanted, Band.AWAITED)
    assert redis_cache.info("commandstats")["cmdstat_evalsha"]["calls"] >= 4
    found = desk.claim()
    assert isinstance(found, Claim)
    assert found.wanted == set(wanted[found.module_id])
