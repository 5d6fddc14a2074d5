"""Divides the list of suppliers into its entries.

    /srv/symbols, https://symbols.example.org#casing=lower,absent=403, https://other.example.org

Commas separate entries, and options as well: what looks like an option belongs to the entry
before it if that has options, and is an entry of its own otherwise. Spaces around all parts and
empty parts mean nothing.

A URL's first `#` begins its options. In a directory's path a `#` may stand anywhere: its last one
begins options only if what follows looks like one, so that `/srv/c#` is a path. No option has a
slash in it: `/srv/a#b=c/` and `./b=c` are paths, too.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

_OPTION = re.compile(r"\s*([A-Za-z][A-Za-z0-9_-]*)\s*=\s*([^/#=]*?)\s*")


@dataclass(frozen=True, slots=True)
class Entry:
    """One supplier as it is written; it may hold credentials."""

    location: str
    """A directory or URL, without options; never empty."""

    options: tuple[tuple[str, str], ...] = ()
    """Names and values, in lower case."""

    is_bad: bool = False
    """Whether what follows a URL's `#` is no option."""

    @property
    def is_directory(self) -> bool:
        """Whether it is to be taken for a directory."""
        return "://" not in self.location


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
