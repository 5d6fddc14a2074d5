"""How many calls a pool holds, as its metric tells it."""

import threading
from collections.abc import Iterator

import pytest

from symbolon_server.rpc.pools import CallPool
from symbolon_server.telemetry.metrics import REGISTRY

PATIENCE_SECONDS = 30.0


@pytest.fixture
def pool() -> Iterator[CallPool]:
    with CallPool(1) as opened:
        yield opened


def in_flight() -> float:
    return REGISTRY.get_sample_value("symbolon_calls_in_flight") or 0.0


def test_calls_count_from_when_they_are_accepted_until_they_end(pool: CallPool) -> None:
    before = in_flight()
    may_end = threading.Event()
    calls = [pool.submit(may_end.wait, PATIENCE_SECONDS) for _ in range(3)]
    assert (pool.calls, in_flight()) == (3, before + 3)
    may_end.set()
    assert all(call.result(PATIENCE_SECONDS) for call in calls)
    assert (pool.calls, in_flight()) == (0, before)


def test_a_call_that_fails_counts_no_longer(pool: CallPool) -> None:
    before = in_flight()

    def fail() -> None:
        raise ZeroDivisionError

    assert isinstance(pool.submit(fail).exception(PATIENCE_SECONDS), ZeroDivisionError)
    assert (pool.calls, in_flight()) == (0, before)


def test_a_closed_pool_takes_no_calls_and_counts_none() -> None:
    before = in_flight()
    pool = CallPool(1)
    pool.shutdown()
    with pytest.raises(RuntimeError):
        pool.submit(len, "")
    assert (pool.calls, in_flight()) == (0, before)
