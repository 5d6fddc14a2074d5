"""The StoreService: how the servers behind this server are doing."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import grpc

from symbolon.v1 import store_service_pb2 as pb
from symbolon.v1 import store_service_pb2_grpc, tier_pb2
from symbolon_server.cache.held import HeldCounts
from symbolon_server.cache.keyed_cache import CacheUnavailableError
from symbolon_server.cache.servers import ServerFacts, ServerUnreachableError
from symbolon_server.rpc.encoding import encode_duration

SERVICE = pb.DESCRIPTOR.services_by_name["StoreService"].full_name


@dataclass(frozen=True, slots=True)
class RedisProbe:
    """One Redis and how to ask it what it is."""

    address: str
    """Where it is, without credentials."""

    read_facts: Callable[[], ServerFacts]
    """Raises `ServerUnreachableError`."""


class TierKind(Enum):
    """The tiers of a process."""

    FRAMES = tier_pb2.TIER_FRAMES
    MEMORY = tier_pb2.TIER_MEMORY
    SPOOL = tier_pb2.TIER_SPOOL


class TierCounts(Protocol):
    """What a tier holds and how well it served; the floors of the tiers do not know each other."""

    @property
    def entries(self) -> int:
        """How many things it holds."""

    @property
    def stored_bytes(self) -> int:
        """How much it holds."""

    @property
    def max_bytes(self) -> int:
        """How much it may hold; 0: it is turned off."""

    @property
    def hits(self) -> int:
        """Lookups that found what they asked for."""

    @property
    def misses(self) -> int:
        """Lookups that did not."""


@dataclass(frozen=True, slots=True)
class TierProbe:
    """One tier of this process and how to ask what it holds."""

    kind: TierKind
    read_counts: Callable[[], TierCounts]


@dataclass(frozen=True, slots=True)
class Probes:
    """Everything that GetStoreInfo asks."""

    store: RedisProbe
    cache: RedisProbe
    tiers: Sequence[TierProbe]
    count_held: Callable[[], HeldCounts]
    """Raises `ServerUnreachableError`."""

    count_queued: Callable[[], int]
    """Raises `CacheUnavailableError`."""

    find_warnings: Callable[[], Sequence[str]]
    server_version: str


class StoreService(store_service_pb2_grpc.StoreServiceServicer):
    """Answers from its probes; one that fails leaves its part of the answer empty."""

    def __init__(self, probes: Probes, clock: Callable[[], float] = time.monotonic) -> None:
        self._probes = probes
        self._clock = clock
        self._started = clock()

    def add_to(self, server: grpc.Server) -> str:
        """Register the service and return its name."""
        store_service_pb2_grpc.add_StoreServiceServicer_to_server(self, server)
        return SERVICE

    def GetStoreInfo(  # noqa: N802 # the name in the .proto file
        self, request: pb.GetStoreInfoRequest, context: grpc.ServicerContext
    ) -> pb.GetStoreInfoResponse:
        """Return the facts of both Redis servers, of this process's tiers, and warnings."""
        del request, context
        probes = self._probes
        response = pb.GetStoreInfoResponse(
            store=_redis_info(probes.store),
            cache=_redis_info(probes.cache),
            tiers=[_tier_info(probe) for probe in probes.tiers],
            warnings=probes.find_warnings(),
            server_version=probes.server_version,
            server_uptime=encode_duration(self._clock() - self._started),
        )
        if response.store.is_reachable:
            self._add_held(response)
        if response.cache.is_reachable:
            self._add_queued(response)
        return response

    def _add_held(self, response: pb.GetStoreInfoResponse) -> None:
        try:
            held = self._probes.count_held()
        except ServerUnreachableError:
            return
        response.modules, response.pages = held.modules, held.pages
        response.is_estimated = held.is_estimated

    def _add_queued(self, response: pb.GetStoreInfoResponse) -> None:
        try:
            response.queued_modules = self._probes.count_queued()
        except CacheUnavailableError:
            return


def _redis_info(probe: RedisProbe) -> pb.RedisInfo:
    try:
        facts = probe.read_facts()
    except ServerUnreachableError as error:
        return pb.RedisInfo(address=probe.address, detail=str(error))
    return pb.RedisInfo(
        address=probe.address,
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
        tier=probe.kind.value,
        entries=counts.entries,
        bytes=counts.stored_bytes,
        max_bytes=counts.max_bytes,
        hits=counts.hits,
        misses=counts.misses,
        hit_ratio=counts.hits / lookups if lookups else 0.0,
    )
