"""The suppliers, from the settings."""

from collections.abc import Iterator
from contextlib import contextmanager

from symbolon_server.app import StartError
from symbolon_server.settings import Settings
from symbolon_server.suppliers.contents.limits import FetchLimits
from symbolon_server.suppliers.contents.supplier import Supplier
from symbolon_server.suppliers.parse import InvalidSupplierError, check_suppliers, parse_suppliers
from symbolon_server.suppliers.web.headers import Header, InvalidHeadersError, parse_headers


def suppliers_of(settings: Settings) -> list[Supplier]:
    """Return the suppliers in order; raise `StartError` for unusable ones."""
    limits = FetchLimits(
        connect_seconds=settings.supplier_connect_seconds,
        read_seconds=settings.supplier_read_seconds,
        total_seconds=settings.supplier_total_seconds,
        max_sent_bytes=settings.max_fetched_bytes,
        max_unpacked_bytes=settings.max_unpacked_bytes,
    )
    with _naming_settings():
        return parse_suppliers(_text_of(settings), limits, _headers_of(settings))


def refuse_bad_suppliers(settings: Settings) -> None:
    """Raise `StartError` for unusable suppliers, without loading what asks them."""
    with _naming_settings():
        check_suppliers(_text_of(settings), _headers_of(settings))


@contextmanager
def _naming_settings() -> Iterator[None]:
    try:
        yield
    except InvalidSupplierError as error:
        raise StartError(f"SYMBOLON_SUPPLIERS: {error}") from error
    except InvalidHeadersError as error:
        raise StartError(f"SYMBOLON_SUPPLIER_HEADERS_FILE: {error}") from error


def _text_of(settings: Settings) -> str:
    return ",".join(settings.suppliers)


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
