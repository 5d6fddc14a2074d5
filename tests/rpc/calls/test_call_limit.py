"""The number of calls in flight, and its metric."""

from collections.abc import Iterator

import pytest

from symbolon_server.rpc.calls.call_limits import CallLimit, UnreadAnswers
from tests.rpc.scripted import count_of


@pytest.fixture
def limit() -> Iterator[CallLimit]:
    limit = CallLimit(2, UnreadAnswers(1))
    yield limit
    while limit.calls:
        limit.leave()
    limit.release()


def in_flight() -> float:
    return count_of("symbolon_calls_in_flight")


def test_calls_count_from_when_they_enter_until_they_leave(limit: CallLimit) -> None:
    before = in_flight()
    assert limit.enter()
    assert limit.enter()
    assert (limit.calls, in_flight()) == (2, before + 2)
    limit.leave()
    assert (limit.calls, in_flight()) == (1, before + 1)


def test_no_more_calls_enter_than_there_is_room_for(limit: CallLimit) -> None:
    assert [limit.enter() for _ in range(3)] == [True, True, False]
    assert limit.refusal() is not None
    limit.leave()
    assert limit.refusal() is None
    assert limit.enter()


def test_a_server_that_has_stopped_counts_no_calls() -> None:
    before = in_flight()
    limit = CallLimit(1, UnreadAnswers(1))
    assert limit.enter()
    limit.leave()
    limit.release()
    assert (limit.calls, in_flight()) == (0, before)
