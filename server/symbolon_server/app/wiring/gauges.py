"""Sets the gauges that nobody else has a reason to look at."""

from contextlib import suppress

from symbolon_server.cache.keyed_cache import CacheUnavailableError
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.symbolication.memory.server_memory import ServerMemory
from symbolon_server.telemetry.metrics import (
    QUEUE_LENGTH,
    TIER_BYTES,
    TIER_ENTRIES,
    TIER_MAX_BYTES,
)


def measure_tiers(held: ServerMemory) -> None:
    """Tell how much is held in memory."""
    for tier, counts in (("frames", held.counts_of_frames()), ("memory", held.counts_of_memory())):
        TIER_ENTRIES.labels(tier).set(counts.entries)
        TIER_BYTES.labels(tier).set(counts.stored_bytes)
        TIER_MAX_BYTES.labels(tier).set(counts.max_bytes)


def measure_queue(queue: IngestQueue) -> None:
    """Tell how many ingests are queued; while the cache does not answer, what was last known."""
    with suppress(CacheUnavailableError):
        for band, length in queue.get_lengths().items():
            QUEUE_LENGTH.labels(band.label).set(length)
