"""Leases and queues on a Redis whose clock is set.

Setting the clock back by an hour has the same effect as adding an hour to all stored times, so most
tests change these times and no clock. The last one really sets the clock of a Redis, with
libfaketime.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from symbolon_server.ingest.queueing.claims import ClaimDesk, NothingToClaim
from symbolon_server.ingest.queueing.jobs import Band, Claim
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.ingest.queueing.scripts import AWAITED_KEY, LINE_KEY, RUNNING_KEY
from symbolon_server.redis_servers.embedded import EmbeddedRedis
from symbolon_server.redis_servers.server_programs import find_server_program
from symbolon_server.redis_servers.servers import connect
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.app.conftest import wait_until

HOUR_MS = 3_600_000


def set_back(client: redis.Redis, milliseconds: int, module_id: ModuleId) -> None:
    """Set the clock of Redis back, from the point of view of a module's job."""
    for key in (RUNNING_KEY, AWAITED_KEY):
        if client.zscore(key, str(module_id)) is not None:
            client.zincrby(key, milliseconds, str(module_id))


@pytest.mark.promise("Nothing depends on the time of day, apart from times shown to people")
def test_the_job_of_a_dead_worker_is_free_within_its_lease_after_the_clock_was_set_back(
    redis_cache: redis.Redis, queue: IngestQueue, xul: ModuleId
) -> None:
    queue.enqueue({xul: []}, Band.AWAITED)
    desk = ClaimDesk(redis_cache, lease_seconds=0.2)
    assert isinstance(desk.claim(), Claim)
    set_back(redis_cache, HOUR_MS, xul)
    nothing = desk.claim()
    assert isinstance(nothing, NothingToClaim)
    while isinstance(found := desk.claim(), NothingToClaim):
        desk.wait(nothing, 0.05)
    assert (found.module_id, found.attempts) == (xul, 2)


def test_a_running_job_is_repeated_at_most_once_when_the_clock_is_set_forward(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    queue.enqueue({xul: []}, Band.AWAITED)
    first = desk.claim()
    assert isinstance(first, Claim)
    set_back(redis_cache, -HOUR_MS, xul)
    second = desk.claim()
    assert isinstance(second, Claim)
    assert isinstance(desk.claim(), NothingToClaim)
    desk.end(first)
    assert queue.find_ended([xul]) == frozenset()
    desk.end(second)
    assert queue.find_ended([xul]) == {xul}


def test_an_awaited_job_is_done_after_the_clock_was_set(
    redis_cache: redis.Redis, queue: IngestQueue, desk: ClaimDesk, xul: ModuleId
) -> None:
    for hours in (1, 3, -1):
        queue.enqueue({xul: []}, Band.AWAITED)
        set_back(redis_cache, hours * HOUR_MS, xul)
        found = desk.claim()
        assert isinstance(found, Claim)
        desk.end(found)


def test_a_job_without_its_place_in_line_blocks_no_job_after_the_clock_was_set_back(
    redis_cache: redis.Redis, queue: IngestQueue, xul: ModuleId
) -> None:
    queue.enqueue({xul: []}, Band.AWAITED)
    set_back(redis_cache, HOUR_MS, xul)
    redis_cache.delete(LINE_KEY)
    assert queue.enqueue({xul: []}, Band.AWAITED).added == 1


SetClock = Callable[[int], None]
"""Sets the clock to this many hours from the true time."""


def find_libfaketime() -> Path:
    """Return the library that intercepts calls for the time, or skip the test."""
    if named := os.environ.get("SYMBOLON_LIBFAKETIME"):
        assert Path(named).exists(), named
        return Path(named)
    for library in Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"):
        return library
    pytest.skip("libfaketime is not installed, nor named by SYMBOLON_LIBFAKETIME")


@pytest.fixture
def set_clock(tmp_path: Path) -> SetClock:
    def set_hours(hours: int) -> None:
        new = tmp_path / "new-clock"
        new.write_text(f"{hours * 3600:+d}")
        new.replace(tmp_path / "clock")  # atomically, as the server reads it all the time

    set_hours(0)
    return set_hours


@pytest.fixture
def moved_redis(set_clock: SetClock, tmp_path: Path) -> Iterator[redis.Redis]:
    """A cache whose clock the test sets."""
    del set_clock  # which made the file
    program = tmp_path / "redis-server"
    variables = {
        "LD_PRELOAD": find_libfaketime(),
        "FAKETIME_TIMESTAMP_FILE": tmp_path / "clock",
        "FAKETIME_NO_CACHE": 1,
        "FAKETIME_DONT_FAKE_MONOTONIC": 1,
    }
    settings = " ".join(f"{name}={value}" for name, value in variables.items())
    program.write_text(f'#!/bin/sh\nexec env {settings} {find_server_program()} "$@"\n')
    program.chmod(0o700)
    with (
        EmbeddedRedis.start("cache.conf", program=program) as server,
        connect(server.url) as client,
    ):
        yield client


def hours_from(client: redis.Redis, start: int) -> int:
    """Return by how much the clock of a Redis has moved since an earlier time."""
    return round((client.time()[0] - start) / 3600)


@pytest.mark.promise("Nothing depends on the time of day, apart from times shown to people")
@pytest.mark.parametrize("hours", [-1, 1])
def test_a_redis_whose_clock_is_really_set_gives_a_dead_workers_job_to_the_next_within_its_lease(
    moved_redis: redis.Redis, set_clock: SetClock, xul: ModuleId, libc: ModuleId, hours: int
) -> None:
    start = moved_redis.time()[0]
    queue, desk = IngestQueue(moved_redis), ClaimDesk(moved_redis, lease_seconds=0.2)
    queue.enqueue({xul: [1]}, Band.AWAITED)
    assert isinstance(desk.claim(), Claim)  # by a worker that dies
    queue.enqueue({libc: []}, Band.AWAITED)
    set_clock(hours)
    # A blocking command waits by the changed clock, until the client gives up.
    wait_until(lambda: hours_from(moved_redis, start) == hours)
    claims: dict[ModuleId, int] = {}
    while len(claims) < 2:
        found = desk.claim()
        if isinstance(found, Claim):
            assert desk.end(found)
            claims[found.module_id] = found.attempts
        else:
            desk.wait(found, 0.05)
    assert claims == {xul: 2, libc: 1}
    assert queue.find_ended([xul, libc]) == {xul, libc}
