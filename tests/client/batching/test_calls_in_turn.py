"""The calls of a large report: a few at a time, until one deadline."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from symbolon._batching.in_turn import CallsInTurn
from symbolon._calling.options import CALLS_IN_FLIGHT
from symbolon._messages.raw_messages import RawRequest, new_request

REQUESTS = 25
TIMEOUT = 30.0


@dataclass(eq=False)
class Call:
    """A call that has not ended."""

    request: RawRequest
    timeout: float
    is_cancelled: bool = False

    def cancel(self) -> None:
        self.is_cancelled = True


@dataclass
class Site:
    now: float = 100.0
    calls: list[Call] = field(default_factory=list)

    def start(self, request: RawRequest, timeout: float) -> Call:
        self.calls.append(Call(request, timeout))
        return self.calls[-1]

    def in_turn(self, requests: Sequence[RawRequest]) -> CallsInTurn:
        return CallsInTurn(requests, self.start, TIMEOUT, lambda: self.now)


@pytest.mark.promise("A large report leaves room for the calls of others")
def test_a_call_starts_when_one_has_ended() -> None:
    site, requests = Site(), [new_request() for _ in range(REQUESTS)]
    calls = site.in_turn(requests)
    for number, future in enumerate(calls.futures()):
        assert future is site.calls[number]
        assert len(calls) <= CALLS_IN_FLIGHT
        assert len(site.calls) == min(number + CALLS_IN_FLIGHT, REQUESTS)
    assert [call.request for call in site.calls] == requests
    assert not calls


def test_all_calls_have_one_deadline() -> None:
    site = Site()
    calls = site.in_turn([new_request()] * REQUESTS)
    for _ in calls.futures():
        site.now += 2.0
    later = [call.timeout for call in site.calls[CALLS_IN_FLIGHT:]]
    assert later == [max(0.0, TIMEOUT - 2.0 * number) for number in range(1, len(later) + 1)]


def test_what_is_in_flight_can_be_cancelled() -> None:
    site = Site()
    calls = site.in_turn([new_request()] * REQUESTS)
    futures = calls.futures()
    next(futures)
    next(futures)
    calls.cancel()
    assert [call.is_cancelled for call in site.calls] == [False, *[True] * CALLS_IN_FLIGHT]
