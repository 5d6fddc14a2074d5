"""Reads the list of suppliers from its setting."""

from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from symbolon_server.suppliers.directory import DirectorySupplier
from symbolon_server.suppliers.headers import Header, choose_headers, refuse_unused
from symbolon_server.suppliers.http import HttpSupplier
from symbolon_server.suppliers.limits import FetchLimits
from symbolon_server.suppliers.supplier import Supplier
from symbolon_server.suppliers.urls import HTTP_SCHEMES, InvalidUrlError, ServerUrl


class InvalidSupplierError(ValueError):
    """An entry that is no supplier; the text names its place and never holds a credential."""


def parse_suppliers(
    text: str, limits: FetchLimits | None = None, headers: Sequence[Header] = ()
) -> list[Supplier]:
    """Return the suppliers in `text`: directories and http(s) URLs with commas between them.

    Spaces around them and empty entries are ignored; a comma within a URL is written `%2C`.
    A URL may hold `user:password@` and a query; `headers` are given to those they are for.
    Raises `InvalidSupplierError`, and `InvalidHeadersError` for a header that is for none.
    """
    places = list(_parse_entries(text))
    refuse_unused(headers, [place for place in places if isinstance(place, ServerUrl)])
    limits = limits or FetchLimits()
    return [_make_supplier(place, limits, headers) for place in places]


def _parse_entries(text: str) -> Iterator[Path | ServerUrl]:
    for place, entry in enumerate(text.split(","), start=1):
        location = entry.strip()
        if not location:
            continue
        scheme, separator, _ = location.partition("://")
        if not separator:
            yield Path(location).expanduser()
        elif scheme.lower() in HTTP_SCHEMES:
            yield _parse_url(location, place)
        else:
            raise InvalidSupplierError(
                f"supplier {place} is neither a directory nor an http or https URL"
            )


def _make_supplier(
    place: Path | ServerUrl, limits: FetchLimits, headers: Sequence[Header]
) -> Supplier:
    if isinstance(place, Path):
        return DirectorySupplier(place, limits)
    own = choose_headers(headers, place)
    return HttpSupplier(place, _user_agent(), limits, headers=own)


def _parse_url(location: str, place: int) -> ServerUrl:
    try:
        url = ServerUrl.parse(location)
    except InvalidUrlError as error:
        raise InvalidSupplierError(f"supplier {place} {error}") from None
    if "#" in location:
        raise InvalidSupplierError(f"supplier {place} has a fragment; write `#` as %23")
    return url


def _user_agent() -> str:
    try:
        return f"symbolon-grpc/{version('symbolon-grpc')}"
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "symbolon-grpc"
