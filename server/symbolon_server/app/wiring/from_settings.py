"""What servers and workers both need: store, spool and lifetimes, from the settings."""

from collections.abc import Callable

from symbolon_server.app.wiring.redis_connections import timeouts_of
from symbolon_server.cache.failures import FailureLifetimes
from symbolon_server.redis_servers.cluster import Cluster, StoreClient, connect_store
from symbolon_server.settings import Settings
from symbolon_server.store.cluster_store import ClusterPageStore
from symbolon_server.store.redis_store import RedisPageStore
from symbolon_server.store.spool import SkipReason, Spool
from symbolon_server.telemetry.backoff import Backoff
from symbolon_server.telemetry.metrics import REDIS_ERRORS, SPOOL_SKIPS

# These series start at 0: the rate of a series that starts at 1 would miss the first event.
_STORE_ERRORS = REDIS_ERRORS.labels("store")
_CACHE_ERRORS = REDIS_ERRORS.labels("cache")
_SPOOL_SKIPS = {reason: SPOOL_SKIPS.labels(reason.value) for reason in SkipReason}


def _count_store_error(_reason: str) -> None:
    _STORE_ERRORS.inc()


def count_cache_error() -> None:
    """Count a failed request to the cache."""
    _CACHE_ERRORS.inc()


def _count_spool_skip(reason: SkipReason) -> None:
    _SPOOL_SKIPS[reason].inc()


def store_of(
    settings: Settings, on_error: Callable[[str], None] = _count_store_error
) -> RedisPageStore | ClusterPageStore:
    """Return the store, which connects on its first request."""
    return store_over(connect_store(settings.store_url, timeouts_of(settings)), on_error)


def store_over(
    client: StoreClient, on_error: Callable[[str], None] = _count_store_error
) -> RedisPageStore | ClusterPageStore:
    """Return the store that a client leads to."""
    if isinstance(client, Cluster):
        return ClusterPageStore(client, on_error)
    return RedisPageStore(client, on_error)


def spool_of(
    settings: Settings, on_skip: Callable[[SkipReason], None] = _count_spool_skip
) -> Spool:
    """Return this host's spool."""
    return Spool(settings.spool_dir, settings.spool_bytes, on_skip)


def lifetimes_of(settings: Settings) -> FailureLifetimes:
    """Return how long failures are remembered."""
    return FailureLifetimes(
        missing=settings.missing_seconds,
        malformed=settings.malformed_seconds,
        unavailable=Backoff(settings.unavailable_seconds, settings.unavailable_max_seconds),
    )
