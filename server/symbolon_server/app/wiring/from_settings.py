"""What servers and workers both need: suppliers, store, spool and lifetimes, from the settings."""

import os
from collections.abc import Callable, Mapping
from typing import Final

from symbolon_server.app import StartError
from symbolon_server.app.wiring.redis_connections import timeouts_of
from symbolon_server.cache.failures import FailureLifetimes
from symbolon_server.redis_servers.servers import connect
from symbolon_server.settings import Settings
from symbolon_server.store.redis_store import RedisPageStore
from symbolon_server.store.spool import SkipReason, Spool
from symbolon_server.suppliers.contents.limits import FetchLimits
from symbolon_server.suppliers.contents.supplier import Supplier
from symbolon_server.suppliers.parse import (
    InvalidSupplierError,
    parse_debuginfod_urls,
    parse_settings,
)
from symbolon_server.suppliers.source import Source
from symbolon_server.suppliers.web.headers import Header, InvalidHeadersError, parse_headers
from symbolon_server.telemetry.backoff import Backoff
from symbolon_server.telemetry.metrics import REDIS_ERRORS, SPOOL_SKIPS

# These series start at 0: the rate of a series that starts at 1 would miss the first event.
_STORE_ERRORS = REDIS_ERRORS.labels("store")
_CACHE_ERRORS = REDIS_ERRORS.labels("cache")
_SPOOL_SKIPS = {reason: SPOOL_SKIPS.labels(reason.value) for reason in SkipReason}


DEBUGINFOD_URLS: Final = "DEBUGINFOD_URLS"
"""The variable of elfutils, which distributions set for their own servers."""


def suppliers_of(settings: Settings, environment: Mapping[str, str] = os.environ) -> list[Supplier]:
    """Return the suppliers in order; raise `StartError` for unusable ones."""
    return [source.make() for source in sources_of(settings, environment)]


def sources_of(settings: Settings, environment: Mapping[str, str] = os.environ) -> list[Source]:
    """Return where the suppliers are, in order; raise `StartError` for unusable ones.

    Without any in the settings, those in `DEBUGINFOD_URLS` are used.
    """
    limits = FetchLimits(
        connect_seconds=settings.supplier_connect_seconds,
        read_seconds=settings.supplier_read_seconds,
        total_seconds=settings.supplier_total_seconds,
        max_sent_bytes=settings.max_fetched_bytes,
        max_unpacked_bytes=settings.max_unpacked_bytes,
    )
    if not settings.suppliers and settings.supplier_headers_file is None:
        return _debuginfod_sources(environment, limits)
    try:
        text = ",".join(settings.suppliers)
        return parse_settings(text, limits, _headers_of(settings), environment)
    except InvalidSupplierError as error:
        raise StartError(f"SYMBOLON_SUPPLIERS: {error}") from error
    except InvalidHeadersError as error:
        raise StartError(f"SYMBOLON_SUPPLIER_HEADERS_FILE: {error}") from error


def _debuginfod_sources(environment: Mapping[str, str], limits: FetchLimits) -> list[Source]:
    try:
        return parse_debuginfod_urls(environment.get(DEBUGINFOD_URLS, ""), limits)
    except InvalidSupplierError as error:
        raise StartError(f"{DEBUGINFOD_URLS}: {error}") from error


def _headers_of(settings: Settings) -> list[Header]:
    file = settings.supplier_headers_file
    if file is None:
        return []
    try:
        return parse_headers(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidHeadersError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise InvalidHeadersError(f"{file} is not a text file") from None


def _count_store_error(_reason: str) -> None:
    _STORE_ERRORS.inc()


def count_cache_error() -> None:
    """Count a failed request to the cache."""
    _CACHE_ERRORS.inc()


def _count_spool_skip(reason: SkipReason) -> None:
    _SPOOL_SKIPS[reason].inc()


def store_of(
    settings: Settings, on_error: Callable[[str], None] = _count_store_error
) -> RedisPageStore:
    """Return the store, which connects on its first request."""
    return RedisPageStore(connect(settings.store_url, timeouts_of(settings)), on_error=on_error)


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
