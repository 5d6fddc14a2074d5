"""Bytes as values that another program wrote under the queue's keys in a real cache Redis."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import redis

from symbolon_server.ingest.queueing import scripts
from symbolon_server.ingest.queueing.claims import ClaimDesk
from symbolon_server.ingest.queueing.jobs import DETAIL_FIELDS, Band, Claim
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.ingest.queueing.queue_view import QueueView
from symbolon_server.redis_servers.circuit import Circuit
from symbolon_server.redis_servers.embedded import EmbeddedRedis
from symbolon_server.redis_servers.keys import EPOCH_KEY, INVALIDATED_KEY
from symbolon_server.redis_servers.servers import connect
from symbolon_server.symbols.ground.asked_modules import AskedModule
from tests.fuzz.samples import MODULE_ID
from tests.fuzz.target import Target

_GOOD: Final = str(MODULE_ID).encode()
_SPOOL: Final = 1
_MEMBERS: Final = (_GOOD, b"1", b"a.so/0", b"0:", b"0:caller", b"2:\xff")
_FIELDS: Final = (
    *("queued", "caller", "place", "attempts", "claim", "worker", "since"),
    *DETAIL_FIELDS,
)
_KEYS: Final = (
    *(scripts.LINE_KEY, scripts.RUNNING_KEY, scripts.AWAITED_KEY, scripts.TURNS_KEY),
    *(scripts.BELL_KEY, INVALIDATED_KEY, EPOCH_KEY),
    *(scripts.SPOOLED_KEY, scripts.SPOOLS_KEY, f"{scripts.HANDED_PREFIX}{_SPOOL}"),
)
_NUMBERS: Final = (
    *(b"0", b"-1", b"1e300", b"inf", b"-inf", b"nan", b"9007199254740993", b"x", b""),
    *(str(band * scripts.BAND_SIZE).encode() for band in range(4)),
)


def take(data: bytes) -> None:
    """Write values from `data`, then use the queue: a module enqueued now must come out of it."""
    bench = _bench()
    written = bench.write(data)
    asked = [AskedModule(MODULE_ID, "a.exe")]
    bench.queue.enqueue({MODULE_ID: (1, 2)}, Band.AWAITED, "caller", asked=asked)
    bench.queue.look([MODULE_ID])
    bench.queue.get_lengths()
    bench.view.read()
    assert any(bench.do_job() for _ in range(written + 2))
    assert bench.queue.find_ended([MODULE_ID]) == {MODULE_ID}


@dataclass(frozen=True, slots=True)
class _Bench:
    """A cache, and everything that uses the queue on it."""

    server: EmbeddedRedis
    client: Any
    queue: IngestQueue
    view: QueueView
    desk: ClaimDesk

    def write(self, data: bytes) -> int:
        """Empty the cache and write values from the bytes; return the number of values."""
        with self.client.pipeline(transaction=False) as pipeline:
            pipeline.flushall()
            commands = list(_commands(data))
            for command in commands:
                pipeline.execute_command(*command)
            pipeline.execute(raise_on_error=False)  # Redis refuses a score that is not a number
        return len(commands)

    def do_job(self) -> bool:
        """Claim a job, give it back, claim it again and end it; return whether it was the good one.

        A lease lapses at once, so the next claim gets the same job.
        """
        claim = self.desk.claim()
        assert isinstance(claim, Claim)
        self.desk.renew(claim)
        self.desk.give_back(claim)
        again = self.desk.claim()
        assert isinstance(again, Claim)
        if not self.desk.end(again, is_spooled=True):
            self.desk.give_back(again)
            return False
        return again.module_id == MODULE_ID


def _commands(data: bytes) -> Iterator[tuple[str | bytes, ...]]:
    """Yield Redis commands, each made from the next few bytes."""
    at = 0
    while at + 4 <= len(data):
        kind, where, what, size = data[at : at + 4]
        value = data[at + 4 : at + 4 + size % 32]
        at += 4 + len(value)
        yield _command(kind, where, what, value)


def _command(kind: int, where: int, what: int, value: bytes) -> tuple[str | bytes, ...]:
    member = (*_MEMBERS, value)[what % (len(_MEMBERS) + 1)]
    named = [prefix.encode() + member for prefix in (scripts.JOB_PREFIX, scripts.WANT_PREFIX)]
    keys: Sequence[str | bytes] = [*_KEYS, *named]
    key = keys[where % len(keys)]
    field = _FIELDS[what % len(_FIELDS)].encode()
    commands: Sequence[tuple[str | bytes, ...]] = (
        ("ZADD", key, _score(value), member),
        ("HSET", named[0], field, _NUMBERS[value[0] % len(_NUMBERS)] if value else member),
        ("HSET", named[0], field, value),
        ("SET", key, value),
        ("RPUSH", key, value),
        ("XADD", key, "*", b"at", value),
        ("HSET", key, field, value),
        ("SADD", key, value),
    )
    return commands[kind % len(commands)]


def _score(value: bytes) -> bytes:
    if len(value) >= 8:
        return repr(struct.unpack(">d", value[:8])[0]).encode()
    return _NUMBERS[value[0] % len(_NUMBERS)] if value else b"1"


@cache
def _bench() -> _Bench:
    server = EmbeddedRedis.start("cache.conf")
    client: redis.Redis = connect(server.url)
    circuit = Circuit()
    return _Bench(
        server,
        client,
        IngestQueue(client, circuit),
        QueueView(client, circuit),
        # With some patience, it would wait for spools that the values tell of.
        ClaimDesk(client, 0.0, circuit, "fuzz:1", spool=_SPOOL, patience_seconds=0.0),
    )


def _seeds() -> list[bytes]:
    """Return each command on each key, and some sequences."""
    each = [
        bytes([kind, where, what, 9]) + struct.pack(">d", number) + b"\x03"
        for kind in range(8)
        for where in range(len(_KEYS) + 2)
        for what, number in ((0, -1.0), (5, 2.0**41), (2, float("inf")))
    ]
    return [*each[::7], b"".join(each[::11]), b"".join(each)]


TARGET = Target(take, _seeds, longest=4_096)
