"""Parses the setting that lists the suppliers.

    /srv/symbols, https://symbols.example.org#casing=lower,absent=403, https://other.example.org

Commas separate entries, and also options: a part that looks like an option belongs to the entry
before it if that one has options, and is an entry of its own otherwise. Spaces around parts and
empty parts are ignored.

In a URL the first `#` starts the options. A directory's path may contain `#`: its last one starts
options only if they look like options, so `/srv/c#` is a path. Options contain no slash, so
`/srv/a#b=c/` and `./b=c` are paths, too.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from symbolon_server.suppliers.contents.limits import FetchLimits
from symbolon_server.suppliers.contents.supplier import Supplier
from symbolon_server.suppliers.directory import DirectorySupplier
from symbolon_server.suppliers.layouts.options import (
    DIRECTORY_OPTIONS,
    URL_OPTIONS,
    InvalidOptionError,
    SupplierOptions,
)
from symbolon_server.suppliers.web.headers import Header, choose_headers, refuse_unused
from symbolon_server.suppliers.web.urls import HTTP_SCHEMES, InvalidUrlError, ServerUrl
from symbolon_server.telemetry.software import software_name

_OPTION = re.compile(r"\s*([A-Za-z][A-Za-z0-9_-]*)\s*=\s*([^/#=]*?)\s*")


class InvalidSupplierError(ValueError):
    """An invalid entry; the text gives its position and never a credential."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One supplier as written; it may contain credentials."""

    location: str
    """A directory or URL without options; never empty."""

    options: tuple[tuple[str, str], ...] = ()
    """Names and values, in lower case."""

    is_bad: bool = False
    """Whether the text after a URL's `#` is not an option."""

    @property
    def is_directory(self) -> bool:
        """Whether this is a directory rather than a URL."""
        return "://" not in self.location


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a supplier is, and its options."""

    where: Path | ServerUrl
    options: SupplierOptions


def parse_suppliers(
    text: str, limits: FetchLimits | None = None, headers: Sequence[Header] = ()
) -> list[Supplier]:
    """Return the suppliers in `text`, directories and http(s) URLs, in order.

    A comma within a URL is written `%2C`. A URL may have `user:password@` and a query; each
    supplier gets its own `headers`. Raises `InvalidSupplierError`, and `InvalidHeadersError` for a
    header that belongs to no supplier.
    """
    limits = limits or FetchLimits()
    return [_make_supplier(place, limits, headers) for place in _parse_all(text, headers)]


def check_suppliers(text: str, headers: Sequence[Header] = ()) -> None:
    """Raise the errors of `parse_suppliers`."""
    _parse_all(text, headers)


def _parse_all(text: str, headers: Sequence[Header]) -> list[_Place]:
    places = list(_parse_places(text))
    refuse_unused(headers, [place.where for place in places if isinstance(place.where, ServerUrl)])
    return places


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
        rules = f"{URL_OPTIONS}; write a `#` of the URL as %23"
        raise InvalidOptionError(f"has a fragment that is not an option; {rules}")
    return _Place(url, URL_OPTIONS.parse(entry.options))


def _make_supplier(place: _Place, limits: FetchLimits, headers: Sequence[Header]) -> Supplier:
    if isinstance(place.where, Path):
        return DirectorySupplier(place.where, limits, place.options)
    # Imported here: a server only checks its suppliers, so it needs no HTTP client.
    from symbolon_server.suppliers.web.http import HttpSupplier  # noqa: PLC0415 # see above

    own = choose_headers(headers, place.where)
    return HttpSupplier(place.where, software_name(), limits, headers=own, options=place.options)


def split_entries(text: str) -> list[Entry]:
    """Return the entries of the setting, in order."""
    entries: list[Entry] = []
    for part in _parts(text):
        option = _parse_option(part)
        if option and entries and entries[-1].options:
            entries[-1] = replace(entries[-1], options=(*entries[-1].options, option))
        else:
            entries.append(_parse_entry(part))
    return entries


def _parts(text: str) -> Iterator[str]:
    return filter(None, map(str.strip, text.split(",")))


def _parse_option(text: str) -> tuple[str, str] | None:
    match = _OPTION.fullmatch(text)
    return (match[1].lower(), match[2].lower()) if match else None


def _parse_entry(text: str) -> Entry:
    is_url = "://" in text
    location, mark, fragment = text.partition("#") if is_url else text.rpartition("#")
    option = _parse_option(fragment)
    if mark and location.strip() and option:
        return Entry(location.strip(), (option,))
    return Entry(location if is_url else text, is_bad=is_url and bool(mark))
