"""The suppliers, from the settings."""

import os
from collections.abc import Mapping
from typing import Final

from symbolon_server.app import StartError
from symbolon_server.settings import Settings
from symbolon_server.suppliers.contents.limits import FetchLimits
from symbolon_server.suppliers.contents.supplier import Supplier
from symbolon_server.suppliers.parse import (
    InvalidSupplierError,
    parse_debuginfod_urls,
    parse_settings,
)
from symbolon_server.suppliers.source import Source
from symbolon_server.suppliers.web.headers import Header, InvalidHeadersError, parse_headers

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
