"""Parses the setting that lists the suppliers.

    /srv/symbols, https://symbols.example.org#casing=lower,absent=403, https://other.example.org

Commas separate entries, and also options: a part that looks like an option belongs to the entry
before it if that one has options, and is an entry of its own otherwise. Spaces around parts and
empty parts are ignored.

In a URL the first `#` starts the options. A directory's path may contain `#`: its last one starts
options only if they look like options, so `/srv/c#` is a path. Options contain no slash, so
`/srv/a#b=c/` and `./b=c` are paths, too. A path that ends in `.toml` is that of a sources file.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from symbolon_server.suppliers.buckets import parse_bucket
from symbolon_server.suppliers.contents.limits import FetchLimits
from symbolon_server.suppliers.contents.supplier import Supplier
from symbolon_server.suppliers.layouts.named import DEFAULT_LAYOUT
from symbolon_server.suppliers.layouts.options import (
    DIRECTORY_OPTIONS,
    URL_OPTIONS,
    InvalidOptionError,
    build_options,
)
from symbolon_server.suppliers.source import (
    SOURCES_FILE,
    InvalidSupplierError,
    Source,
    is_bucket,
    locate,
    read_path,
)
from symbolon_server.suppliers.sources_file import parse_sources
from symbolon_server.suppliers.web.headers import Header, choose_headers, refuse_unused
from symbolon_server.suppliers.web.urls import InvalidUrlError, ServerUrl

__all__ = [
    "Entry",
    "InvalidSupplierError",
    "parse_debuginfod_urls",
    "parse_settings",
    "parse_suppliers",
    "split_entries",
]

_OPTION = re.compile(r"\s*([A-Za-z][A-Za-z0-9_-]*)\s*=\s*([^/#=]*?)\s*")


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

    @property
    def is_sources_file(self) -> bool:
        """Whether this is the path of a sources file."""
        return self.is_directory and self.location.endswith(SOURCES_FILE)


def parse_suppliers(
    text: str, limits: FetchLimits | None = None, headers: Sequence[Header] = ()
) -> list[Supplier]:
    """Return the suppliers in `text`, as `parse_settings` reads it."""
    return [source.make() for source in parse_settings(text, limits, headers)]


def parse_settings(
    text: str,
    limits: FetchLimits | None = None,
    headers: Sequence[Header] = (),
    environment: Mapping[str, str] = os.environ,
) -> list[Source]:
    """Return the sources in `text`: directories, http(s) URLs and those of sources files, in order.

    A comma within a URL is written `%2C`. A URL may have `user:password@` and a query; each
    supplier gets its own `headers`. Raises `InvalidSupplierError`, and `InvalidHeadersError` for a
    header that belongs to no supplier.
    """
    sources = list(_parse_entries(text, limits or FetchLimits(), environment))
    refuse_unused(headers, [s.where for s in sources if isinstance(s.where, ServerUrl)])
    return [_with_headers(source, headers) for source in sources]


def parse_debuginfod_urls(text: str, limits: FetchLimits | None = None) -> list[Source]:
    """Return the servers in the value of `DEBUGINFOD_URLS`, separated by spaces.

    Words that begin with `ima:` say how elfutils checks signatures, and are ignored. Raises
    `InvalidSupplierError`.
    """
    words = [word for word in text.split() if not word.startswith("ima:")]
    options = build_options({"layout": "debuginfod"})
    sources = []
    for number, word in enumerate(words, start=1):
        try:
            where = locate(word.removeprefix("file://"))
        except InvalidUrlError as error:
            raise InvalidSupplierError(f"server {number} {error}") from None
        sources.append(Source(where, options, "debuginfod", limits or FetchLimits()))
    return sources


def _parse_entries(
    text: str, limits: FetchLimits, environment: Mapping[str, str]
) -> Iterator[Source]:
    for number, entry in enumerate(split_entries(text), start=1):
        try:
            if entry.is_sources_file:
                yield from _read_sources(entry, limits, environment)
            else:
                yield _parse_source(entry, limits)
        except (InvalidUrlError, InvalidOptionError) as error:
            raise InvalidSupplierError(f"supplier {number} {error}") from None


def _read_sources(
    entry: Entry, limits: FetchLimits, environment: Mapping[str, str]
) -> list[Source]:
    file = read_path(entry.location)
    if entry.options:
        raise InvalidSupplierError(f"{file} is a sources file, whose options are in it")
    try:
        text = file.read_text(encoding="utf-8-sig")  # editors of Windows write a byte order mark
    except OSError as error:
        raise InvalidSupplierError(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidSupplierError(f"{file} is not a text file") from None
    try:
        return parse_sources(text, file.parent, environment, limits)
    except InvalidSupplierError as error:
        raise InvalidSupplierError(f"{file}: {error}") from None


def _parse_source(entry: Entry, limits: FetchLimits) -> Source:
    bucket = parse_bucket(entry.location) if is_bucket(entry.location) else None
    where = bucket.url if bucket else locate(entry.location)
    if entry.is_bad:
        hint = f"{URL_OPTIONS}; write a `#` of the URL as %23"
        raise InvalidOptionError(f"has a fragment that is not an option; {hint}")
    rules = DIRECTORY_OPTIONS if entry.is_directory else URL_OPTIONS
    option = _parse_option(entry.location)
    if option and option[0] in URL_OPTIONS.values:
        hint = "the first option of an entry follows a `#`, a directory of this name is written ./…"
        raise InvalidOptionError(f"is an option without an entry: {hint}")
    layout = dict(entry.options).get("layout", DEFAULT_LAYOUT)
    sign = bucket.signer.sign if bucket else None
    return Source(where, rules.parse(entry.options), layout, limits, sign=sign)


def _with_headers(source: Source, headers: Sequence[Header]) -> Source:
    if isinstance(source.where, Path):
        return source
    chosen = choose_headers(headers, source.where)
    return replace(source, headers={**source.headers, **chosen})


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
