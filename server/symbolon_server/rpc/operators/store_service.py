"""StoreService: the state of both Redis servers and of this process's tiers."""

import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, NamedTuple

import grpc

from symbolon.v1 import store_service_pb2 as pb
from symbolon.v1 import store_service_pb2_grpc, tier_pb2
from symbolon_server.cache.keyed_cache import CacheUnavailableError
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.redis_servers.servers import ServerUnreachableError
from symbolon_server.redis_servers.setup_checks import ProblemKind, ServerReport, find_problems
from symbolon_server.rpc.operators.methods import add_service
from symbolon_server.rpc.symbolicate.response import encode_duration
from symbolon_server.store.key_counts import KeyCounts
from symbolon_server.store.spool import SpoolCounts
from symbolon_server.symbolication.memory.queries import TierName
from symbolon_server.symbolication.memory.server_memory import AgingCounts

_SERVICE = pb.DESCRIPTOR.services_by_name["StoreService"]

_MOST_FIELDS: Final = 100
"""Of a request that has no fields yet."""

_NOTHING_HELD: Final = KeyCounts(modules=0, pages=0, is_estimated=False)


class TierProbe(NamedTuple):
    """One tier of this process, and how to read its counts."""

    name: TierName
    read_counts: Callable[[], AgingCounts | SpoolCounts]


class Probes(NamedTuple):
    """What GetStoreInfo reads. Clients of Redis itself stay on the floors below."""

    ask_store: Callable[[], ServerReport]
    ask_cache: Callable[[], ServerReport]
    tiers: Sequence[TierProbe]
    count_keys: Callable[[], KeyCounts]
    """Raises `ServerUnreachableError`."""

    queue: IngestQueue
    server_version: str
    allowed_problems: Collection[ProblemKind] = ()
    """Problems of the set-up to omit from the warnings."""


class StoreService(store_service_pb2_grpc.StoreServiceServicer):
    """Answers from its probes; one that fails leaves its part of the answer empty.

    Both servers are queried at the same time, so two that hang delay the answer as long as one.
    """

    def __init__(self, probes: Probes, clock: Callable[[], float] = time.monotonic) -> None:
        self._probes = probes
        self._clock = clock
        self._started = clock()

    def add_to(self, server: grpc.Server) -> str:
        """Register the service and return its name."""
        return add_service(server, self, _SERVICE, _MOST_FIELDS)

    def GetStoreInfo(  # noqa: N802 # the name in the .proto file
        self, request: pb.GetStoreInfoRequest, context: grpc.ServicerContext
    ) -> pb.GetStoreInfoResponse:
        """Return the facts of both Redis servers and of this process's tiers, and warnings."""
        del request, context
        probes = self._probes
        with ThreadPoolExecutor(1, "store-info") as beside:
            asked_store = beside.submit(self._ask_store)
            cache, queued = self._ask_cache()
            store, held = asked_store.result()
        return pb.GetStoreInfoResponse(
            store=_redis_info(store),
            cache=_redis_info(cache),
            modules=held.modules,
            pages=held.pages,
            is_estimated=held.is_estimated,
            tiers=[_tier_info(probe) for probe in probes.tiers],
            queued_modules=queued,
            warnings=map(str, find_problems(store, cache, probes.allowed_problems)),
            server_version=probes.server_version,
            server_uptime=encode_duration(self._clock() - self._started),
        )

    def _ask_store(self) -> tuple[ServerReport, KeyCounts]:
        report = self._probes.ask_store()
        if report.facts is not None:
            with suppress(ServerUnreachableError):
                return report, self._probes.count_keys()
        return report, _NOTHING_HELD

    def _ask_cache(self) -> tuple[ServerReport, int]:
        report = self._probes.ask_cache()
        if report.facts is not None:
            with suppress(CacheUnavailableError):
                return report, self._probes.queue.length()
        return report, 0


def _redis_info(report: ServerReport) -> pb.RedisInfo:
    facts = report.facts
    if facts is None:
        return pb.RedisInfo(address=report.name, detail=report.trouble)
    return pb.RedisInfo(
        address=report.name,
        is_reachable=True,
        product=facts.software,
        version=facts.version,
        used_memory_bytes=facts.used_memory,
        maxmemory_bytes=facts.maxmemory,
        maxmemory_policy=facts.maxmemory_policy,
        keys=facts.keys,
        evicted_keys=facts.evicted_keys,
        hits=facts.hits,
        misses=facts.misses,
        connected_clients=facts.connected_clients,
        uptime=encode_duration(facts.uptime_seconds),
    )


def _tier_info(probe: TierProbe) -> pb.TierInfo:
    counts = probe.read_counts()
    lookups = counts.hits + counts.misses
    return pb.TierInfo(
        tier=tier_pb2.Tier.ValueType(probe.name),
        entries=counts.entries,
        bytes=counts.stored_bytes,
        max_bytes=counts.max_bytes,
        hits=counts.hits,
        misses=counts.misses,
        hit_ratio=counts.hits / lookups if lookups else 0.0,
    )
