"""The services of one serving process, and the parts that they share."""

from contextlib import suppress
from functools import partial

from symbolon_server.app.wiring.from_settings import (
    count_cache_error,
    lifetimes_of,
    spool_of,
    store_over,
)
from symbolon_server.app.wiring.redis_connections import allowed_problems, timeouts_of
from symbolon_server.app.wiring.security import protection_of
from symbolon_server.cache.invalidations import CHANNEL, InvalidationLog
from symbolon_server.cache.keyed_cache import CacheUnavailableError, KeyedCache
from symbolon_server.cache.missing_modules import MissingTally
from symbolon_server.cache.module_memory import ModuleMemory
from symbolon_server.ingest.queueing.loader import ModuleLoader
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.ingest.queueing.queue_view import QueueView
from symbolon_server.insertion.insertion_memory import InsertionMemory
from symbolon_server.insertion.use_tally import FLUSH_SECONDS, UseTally
from symbolon_server.redis_servers.circuit import Circuit
from symbolon_server.redis_servers.cluster import connect_store, follow_store
from symbolon_server.redis_servers.following import look_again
from symbolon_server.redis_servers.servers import connect
from symbolon_server.redis_servers.setup_checks import ask_server
from symbolon_server.rpc.access.access import NameCaller
from symbolon_server.rpc.operators.module_service import ModuleService, ModuleTools
from symbolon_server.rpc.operators.store_service import Probes, StoreService, TierProbe
from symbolon_server.rpc.serving.server import ServerOptions
from symbolon_server.rpc.symbolicate.request import decode_frame
from symbolon_server.rpc.symbolicate.service import Answerer, RequestLimits, WaitLimits
from symbolon_server.settings import Settings
from symbolon_server.store.key_counts import count_keys
from symbolon_server.store.redis_store import RecentUse
from symbolon_server.symbolication.explaining.explainer import FrameExplainer
from symbolon_server.symbolication.invalidator import Invalidator
from symbolon_server.symbolication.looking_up.tiers import Tiers
from symbolon_server.symbolication.memory.queries import TierName
from symbolon_server.symbolication.memory.server_memory import ServerMemory
from symbolon_server.symbolication.module_lookup import ModuleLookup, Prefetcher
from symbolon_server.symbolication.symbolicator import Symbolicator
from symbolon_server.telemetry.lasting_threads import LastingThread, Vitals
from symbolon_server.telemetry.metrics import (
    EVICTION_AGE_SECONDS,
    INSERTION_SCALE,
    QUEUE_LENGTH,
    TIER_BYTES,
    TIER_ENTRIES,
    TIER_MAX_BYTES,
    USE_TABLE_BYTES,
    USE_TABLES,
)
from symbolon_server.telemetry.software import software_version

FOLLOW_SECONDS = 1.0
"""How often to look whether a Redis server was replaced by another."""


class SharedParts:
    """The parts that the services of one process share: connections, tiers and memory."""

    def __init__(self, settings: Settings, vitals: Vitals | None = None) -> None:
        self.store_client = connect_store(settings.store_url, timeouts_of(settings))
        self.cache_client = connect(settings.cache_url, timeouts_of(settings))
        circuit = Circuit(server="cache")
        cache = KeyedCache(self.cache_client, circuit=circuit, on_error=count_cache_error)
        self.queue = IngestQueue(self.cache_client, circuit, settings.max_queued_modules)
        self.queue_view = QueueView(self.cache_client, circuit)
        self.loader = ModuleLoader(
            self.cache_client, circuit, max_queued=settings.max_queued_modules, vitals=vitals
        )
        store = store_over(self.store_client)
        self.spool = spool_of(settings)
        self.recent_use = RecentUse(store)
        insertion = InsertionMemory(cache)
        self.uses = UseTally(insertion, store)
        self.memory = ModuleMemory.of(cache, lifetimes_of(settings))
        self.missing_tally = MissingTally(self.memory.missing)
        self.tiers = Tiers(
            store=store,
            spool=self.spool if settings.spool_bytes else None,
            failures=self.memory.failures,
            loader=self.loader,
            uses=self.uses,
        )
        self.server_memory = ServerMemory(settings.memory_bytes)
        self.invalidator = Invalidator(InvalidationLog(cache), self.tiers, self.server_memory)
        self.loader.watch(CHANNEL, self.invalidator.catch_up)
        self.loader.repeat(self.missing_tally.flush)
        self.loader.repeat(partial(measure_tiers, self.server_memory))
        self.loader.repeat(partial(measure_queue, self.queue))
        self.loader.repeat(partial(measure_insertion, insertion))
        self._following = LastingThread("following", self._follow)
        self._telling = LastingThread("uses", self._tell_uses)

    def start(self) -> None:
        """Catch up with invalidations, and listen to announcements from now on."""
        self.invalidator.catch_up()
        self.loader.start()
        self._following.start()
        self._telling.start()

    def close(self) -> None:
        """Close all connections, after the last call."""
        self._following.is_closing.set()  # not waited for: a resolver may hang
        self._telling.close()
        self.loader.close()
        self.missing_tally.flush()
        self.uses.flush()
        self.cache_client.close()
        self.store_client.close()

    def _follow(self) -> None:
        """Leave connections whose server the name, or the Sentinels, replaced by another."""
        while not self._following.is_closing.wait(FOLLOW_SECONDS):
            look_again(self.cache_client)
            follow_store(self.store_client)

    def _tell_uses(self) -> None:
        """Tell the cache what this process saw of uses and misses."""
        while not self._telling.is_closing.wait(FLUSH_SECONDS):
            self.uses.flush()
            self._telling.resort.note_progress()


def make_answerer(settings: Settings, parts: SharedParts) -> Answerer:
    """Return what answers the requests of calls and of streams."""
    symbolicator = Symbolicator(
        parts.tiers,
        parts.server_memory,
        decode_frame,
        recent_use=parts.recent_use,
        missing_tally=parts.missing_tally,
    )
    return Answerer(
        symbolicator,
        RequestLimits(settings.max_modules, settings.max_frames),
        WaitLimits(settings.max_wait_seconds, settings.deadline_margin_seconds),
    )


def make_module_service(
    settings: Settings, parts: SharedParts, name_caller: NameCaller
) -> ModuleService:
    """Return the ModuleService; `name_caller` tells callers apart."""
    lookup = ModuleLookup(parts.tiers, parts.queue.find_ended)
    tools = ModuleTools(
        lookup=lookup,
        prefetcher=Prefetcher(lookup, parts.queue),
        invalidator=parts.invalidator,
        explainer=FrameExplainer(parts.tiers, parts.server_memory, parts.memory.rounds),
        missing=parts.memory.missing,
        queue=parts.queue_view,
    )
    return ModuleService(tools, settings.max_modules, name_caller)


def make_store_service(settings: Settings, parts: SharedParts) -> StoreService:
    """Return the StoreService."""
    probes = Probes(
        ask_store=lambda: ask_server(parts.store_client),
        ask_cache=lambda: ask_server(parts.cache_client),
        tiers=[
            TierProbe(TierName.FRAMES, parts.server_memory.counts_of_frames),
            TierProbe(TierName.MEMORY, parts.server_memory.counts_of_memory),
            TierProbe(TierName.SPOOL, parts.spool.counts),
        ],
        count_keys=lambda: count_keys(parts.store_client),
        queue=parts.queue,
        server_version=software_version(),
        allowed_problems=allowed_problems(settings),
    )
    return StoreService(probes)


def server_options(settings: Settings, *, is_port_shared: bool) -> ServerOptions:
    """Return the options of the gRPC server."""
    return ServerOptions(
        listen=settings.listen,
        threads=settings.threads,
        max_calls_in_flight=settings.max_calls_in_flight,
        max_request_bytes=settings.max_request_bytes,
        is_port_shared=is_port_shared,
        protection=protection_of(settings),
        has_reflection=settings.reflection,
        connection_idle_seconds=settings.max_connection_idle_seconds,
        connection_age_seconds=settings.max_connection_age_seconds,
        message_seconds=settings.message_seconds,
        logs_calls=settings.log_calls,
    )


def measure_tiers(memory: ServerMemory) -> None:
    """Set the gauges of the memory's tiers."""
    for tier, counts in (
        ("frames", memory.counts_of_frames()),
        ("memory", memory.counts_of_memory()),
    ):
        TIER_ENTRIES.labels(tier).set(counts.entries)
        TIER_BYTES.labels(tier).set(counts.stored_bytes)
        TIER_MAX_BYTES.labels(tier).set(counts.max_bytes)


def measure_queue(queue: IngestQueue) -> None:
    """Set the gauges of the queue; if the cache does not answer, they keep their last values."""
    with suppress(CacheUnavailableError):
        for band, length in queue.get_lengths().items():
            QUEUE_LENGTH.labels(band.label).set(length)


def measure_insertion(memory: InsertionMemory) -> None:
    """Set the gauges of the insertion policy; without the cache they keep their last values."""
    with suppress(CacheUnavailableError):
        facts = memory.facts()
        EVICTION_AGE_SECONDS.set(facts.eviction_age or 0.0)
        INSERTION_SCALE.set(facts.scale)
        USE_TABLES.set(facts.tables)
        USE_TABLE_BYTES.set(facts.table_bytes)
