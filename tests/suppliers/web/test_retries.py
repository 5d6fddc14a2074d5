"""When a request is retried."""

import pytest

from symbolon_server.suppliers.web.retries import RetryPolicy, parse_retry_after
from symbolon_server.telemetry.backoff import Backoff

NOON = "Mon, 23 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": " 17 "}, 17.0),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "1.5"}, None),
        ({"Retry-After": "\u0661"}, None),
        ({"Retry-After": "86400"}, 3600.0),
        ({"Retry-After": "9" * 10_000}, 3600.0),
        ({"Retry-After": "soon", "Date": NOON}, None),
        ({"Retry-After": NOON}, None),
        ({"Retry-After": "Mon, 23 Nov 2026 12:00:30 GMT", "Date": NOON}, 30.0),
        ({"Retry-After": "Mon, 23 Nov 2026 12:00:30 -0000", "Date": NOON}, None),
        ({"Retry-After": "Sun, 22 Nov 2026 12:00:00 GMT", "Date": NOON}, 0.0),
        ({"Retry-After": "Mon, 23 Nov 2099 12:00:00 GMT", "Date": NOON}, 3600.0),
        ({"Retry-After": "Mon, 99 Nov 2026 12:00:00 GMT", "Date": NOON}, None),
    ],
)
def test_retry_after_headers_are_parsed(headers: dict[str, str], seconds: float | None) -> None:
    assert parse_retry_after(headers) == seconds


def test_pauses_double_up_to_the_longest() -> None:
    policy = RetryPolicy(attempts=7, backoff=Backoff(1.0, 10.0))
    pauses = [policy.pause_seconds(attempt, None, lambda: 1.0) for attempt in range(1, 8)]

    assert pauses == [1, 2, 4, 8, 10, 10, None]


def test_jitter_halves_a_pause_at_most() -> None:
    policy = RetryPolicy(backoff=Backoff(1.0, 10.0))

    assert policy.pause_seconds(1, None, lambda: 0.0) == 0.5
    assert policy.pause_seconds(1, None, lambda: 0.5) == 0.75


def test_a_retry_after_is_not_shortened() -> None:
    policy = RetryPolicy(backoff=Backoff(1.0, 10.0))

    assert policy.pause_seconds(1, 10.0, lambda: 1.0) == 10.0
    assert policy.pause_seconds(1, 0.0, lambda: 1.0) == 1.0
    assert policy.pause_seconds(1, 10.1, lambda: 1.0) is None
