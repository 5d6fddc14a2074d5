"""Reads the list of suppliers from its setting."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from symbolon_server.suppliers.contents.limits import FetchLimits
from symbolon_server.suppliers.contents.supplier import Supplier
from symbolon_server.suppliers.directory import DirectorySupplier
from symbolon_server.suppliers.entries import Entry, split_entries
from symbolon_server.suppliers.layouts.options import (
    DIRECTORY_OPTIONS,
    URL_OPTIONS,
    InvalidOptionError,
    SupplierOptions,
)
from symbolon_server.suppliers.web.headers import Header, choose_headers, refuse_unused
from symbolon_server.suppliers.web.http import HttpSupplier
from symbolon_server.suppliers.web.urls import HTTP_SCHEMES, InvalidUrlError, ServerUrl
from symbolon_server.telemetry.software import software_name


class InvalidSupplierError(ValueError):
    """An entry that is no supplier; the text names its place and never holds a credential."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a supplier is, and how it is asked there."""

    where: Path | ServerUrl
    options: SupplierOptions


def parse_suppliers(
    text: str, limits: FetchLimits | None = None, headers: Sequence[Header] = ()
) -> list[Supplier]:
    """Return the suppliers in `text`: directories and http(s) URLs, as `entries.py` says.

    A comma within a URL is written `%2C`. A URL may hold `user:password@` and a query; `headers`
    are given to those they are for. Raises `InvalidSupplierError`, and `InvalidHeadersError` for
    a header that is for none.
    """
    places = list(_parse_places(text))
    refuse_unused(headers, [place.where for place in places if isinstance(place.where, ServerUrl)])
    limits = limits or FetchLimits()
    return [_make_supplier(place, limits, headers) for place in places]


def _parse_places(text: str) -> Iterator[_Place]:
    for number, entry in enumerate(split_entries(text), start=1):
        try:
            yield _parse_place(entry)
        except (InvalidUrlError, InvalidOptionError) as error:
            raise InvalidSupplierError(f"supplier {number} {error}") from None


def _parse_place(entry: Entry) -> _Place:
    if entry.is_directory:
        options = DIRECTORY_OPTIONS.parse(entry.options)
        return _Place(Path(entry.location).expanduser(), options)
    scheme, _, _ = entry.location.partition("://")
    if scheme.lower() not in HTTP_SCHEMES:
        raise InvalidUrlError("is neither a directory nor an http or https URL")
    url = ServerUrl.parse(entry.location)
    if entry.is_bad:
        rules = f"{URL_OPTIONS}; a `#` of the URL is written %23"
        raise InvalidOptionError(f"has a fragment that is no option; {rules}")
    return _Place(url, URL_OPTIONS.parse(entry.options))


def _make_supplier(place: _Place, limits: FetchLimits, headers: Sequence[Header]) -> Supplier:
    if isinstance(place.where, Path):
        return DirectorySupplier(place.where, limits, place.options)
    own = choose_headers(headers, place.where)
    return HttpSupplier(place.where, software_name(), limits, headers=own, options=place.options)
