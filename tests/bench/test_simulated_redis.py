"""The simulated store evicts what Redis evicts."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbolon_server.redis_servers.embedded import EmbeddedOptions, EmbeddedRedis
from symbolon_server.redis_servers.servers import connect
from tests.bench.world.simulated_redis import SAMPLES, SimulatedRedis

KEYS = 40


def sizes_of(count: int) -> "np.ndarray[tuple[int], np.dtype[np.int32]]":
    return np.random.default_rng(3).integers(50, 150, count).astype(np.int32)


class SlowRedis:
    """The definition of sampled eviction, by a dictionary and a sorted list."""

    def __init__(self, sizes: list[int], limit: int, random: Random) -> None:
        self.used_at: dict[int, int] = {}
        self.pool: list[tuple[int, int]] = []
        self._sizes = sizes
        self._used = 0
        self._limit = limit
        self._random = random

    def put(self, key: int, now: int, age: int) -> None:
        while self._used > self._limit:
            self.evict(now)
        self._used += 0 if key in self.used_at else self._sizes[key]
        self.used_at[key] = now - age

    def evict(self, now: int) -> None:
        keys = list(self.used_at)
        for key in self._random.choices(keys, k=SAMPLES):
            self.pool.append((now - self.used_at[key], key))
        self.pool = sorted(self.pool)[-16:]
        while self.pool:
            _, key = self.pool.pop()
            if key in self.used_at:
                del self.used_at[key]
                self._used -= self._sizes[key]
                return


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.lists(st.integers(0, KEYS - 1), min_size=1, max_size=KEYS, unique=True),
            st.integers(0, 100),
        ),
        max_size=40,
    )
)
def test_its_books_agree_with_the_keys_that_are_there(
    puts: list[tuple[int, list[int], int]],
) -> None:
    sizes = sizes_of(KEYS)
    redis = SimulatedRedis(sizes, 900, Random(1))
    used_at: dict[int, int] = {}
    for seconds, keys, age in puts:
        redis.now += seconds
        redis.put_all(np.array(keys, np.int32), np.full(len(keys), age, np.int32))
        used_at |= dict.fromkeys(keys, redis.now - age)
        redis.put(keys[0])
        used_at[keys[0]] = redis.now
        there = redis.keys()
        assert len(set(there)) == len(there) == len(redis)
        assert redis.used == sum(sizes[there])
        assert {key for key in range(KEYS) if redis.positions[key] >= 0} == set(there)
        assert all(redis.used_at[key] == used_at[key] for key in there)
        assert redis.used <= 900 + sizes[keys[0]]


HOT = 400
SECONDS_PER_STEP = 100


@dataclass(frozen=True, slots=True)
class Churn:
    """Hot keys used by Zipf's law, and between them keys that nobody uses again.

    Time stands still at the end, and what is used gets the age that it has by then: so a real
    Redis, whose clock nobody sets, can be asked the same.
    """

    steps: int
    cold_per_step: int
    capacity: int
    """How many keys there is room for."""

    @property
    def keys(self) -> int:
        """How many keys there are."""
        return HOT + self.steps * self.cold_per_step

    @property
    def end(self) -> int:
        """The time at which it stands still."""
        return self.steps * SECONDS_PER_STEP

    def misses(self, put: Callable[[list[int], int], None], is_there: Callable[[int], bool]) -> int:
        """Return how often a hot key was missing."""
        weights = 1 / np.arange(1, HOT + 1)
        drawn = np.random.default_rng(4).choice(HOT, self.steps, p=weights / weights.sum())
        missed = 0
        for step, hot in enumerate(drawn.tolist()):
            missed += not is_there(hot)
            cold = HOT + self.cold_per_step * step
            put([hot, *range(cold, cold + self.cold_per_step)], self.end - step * SECONDS_PER_STEP)
        return missed

    def misses_of_simulation(self) -> int:
        """Return the misses of the simulated store."""
        redis = SimulatedRedis(np.full(self.keys, 100, np.int32), 100 * self.capacity, Random(2))
        redis.now = self.end

        def put(keys: list[int], age: int) -> None:
            redis.put_all(np.array(keys, np.int32), np.full(len(keys), age, np.int32))

        return self.misses(put, lambda key: redis.positions[key] >= 0)

    def misses_of_slow_model(self) -> int:
        """Return the misses of the slow model."""
        redis = SlowRedis([100] * self.keys, 100 * self.capacity, Random(3))

        def put(keys: list[int], age: int) -> None:
            for key in keys:
                redis.put(key, self.end, age)

        return self.misses(put, redis.used_at.__contains__)


@pytest.mark.parametrize("churn", [Churn(6_000, 2, 500), Churn(3_000, 20, 1_500)])
def test_it_misses_what_the_slow_model_misses(churn: Churn) -> None:
    assert churn.misses_of_simulation() == pytest.approx(churn.misses_of_slow_model(), rel=0.05)


def test_it_misses_what_a_real_redis_misses() -> None:
    churn = Churn(6_000, 2, 0)
    counts: list[int] = []
    with (
        EmbeddedRedis.start(
            "store.conf", EmbeddedOptions(overrides={"maxmemory": "2mb"})
        ) as server,
        connect(server.url) as real,
    ):
        real.set("value", bytes(800))
        payload = real.dump("value")

        def put(keys: list[int], age: int) -> None:
            with real.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.restore(str(key), 0, payload, replace=True, idletime=age)
                pipeline.dbsize()
                counts.append(pipeline.execute(raise_on_error=False)[-1])

        missed = churn.misses(put, lambda key: bool(real.exists(str(key))))
    full = replace(churn, capacity=round(np.mean(counts[len(counts) // 2 :])))
    assert missed == pytest.approx(full.misses_of_simulation(), rel=0.05)
