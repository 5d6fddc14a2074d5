"""The kinds of values that settings take: parsed from text, and shown as text."""

import math
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple

from symbolon_server.rpc.calls.addresses import ListenAddress

EMBEDDED = "embedded"
"""Instead of a Redis URL: the server starts an embedded Redis server."""

_UNITS = {"": 1, "b": 1, "kib": 1024, "mib": 1024**2, "gib": 1024**3}
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmg]ib|b|)", re.ASCII | re.IGNORECASE)
_USER = r"(?:[^/?#@]*@)?"
_QUERY = r"(?:\?[^#@]*)?"
_HOST = r"(?:[^/?#@:\[\]]+|\[[0-9a-f:.%]+\])?(?::\d+)?"
_SENTINEL = r"(?:[^/?#@:,\[\]]+|\[[0-9a-f:.%]+\])(?::\d+)?"
_REDIS_URL = re.compile(
    rf"rediss?://{_USER}{_HOST}(?:/\d*)?{_QUERY}|unix://{_USER}/[^?#@]+{_QUERY}"
    rf"|rediss?\+sentinel://{_USER}{_SENTINEL}(?:,{_SENTINEL})*/[\w.-]+{_QUERY}"
    rf"|rediss?\+cluster://{_USER}{_SENTINEL}(?:,{_SENTINEL})*/?{_QUERY}",
    re.ASCII | re.IGNORECASE,
)
"""Part of a password with an unquoted `/`, `?`, `#` or `@` would be read as host, port or path, and
be shown."""

_HOST_NAME = re.compile(r"[a-z0-9_.-]+|\[[0-9a-f:.]+\]", re.ASCII)
_ORIGIN = re.compile(rf"https?://(?:{_HOST_NAME.pattern})(?::\d+)?", re.ASCII)

_SOURCE_LINK = re.compile(
    rf"(?:{_HOST_NAME.pattern})=https?://"
    r"(?:[^\s{}]|\{(?:host|repository|path|revision|line)\})+",
    re.ASCII,
)


class Kind(NamedTuple):
    """How text becomes a value, or raises `ValueError`, and how a value becomes text."""

    expected: str
    """The valid values, for error messages."""

    parse: Callable[[str], Any]
    show: Callable[[Any], str] = str


def _parse_size(text: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("not a size")
    return int(float(match[1]) * _UNITS[match[2].lower()])


def _show_size(value: int) -> str:
    for unit in ("GiB", "MiB", "KiB"):
        if value and value % _UNITS[unit.lower()] == 0:
            return f"{value // _UNITS[unit.lower()]}{unit}"
    return str(value)


def _parse_whole_number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError("not a whole number")
    return int(text)


def _parse_switch(text: str) -> bool:
    return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[
        text.lower()
    ]


def _show_switch(value: bool) -> str:
    return "true" if value else "false"


def _parse_name(text: str) -> str:
    if not text or not text.isascii() or not text.isprintable():
        raise ValueError("not a name")
    return text


def _parse_path(text: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise ValueError("the home of an unknown user") from None


def _parse_redis_url(text: str) -> str:
    if text != EMBEDDED and _REDIS_URL.fullmatch(text) is None:
        raise ValueError("not a Redis URL")
    return text


def _parse_list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _parse_source_links(text: str) -> tuple[str, ...]:
    links = _parse_list(text)
    if not all(map(_SOURCE_LINK.fullmatch, links)):
        raise ValueError("not such a list")
    return links


def at_least(minimum: int) -> Kind:
    """Return the kind of whole numbers from `minimum`."""

    def parse(text: str) -> int:
        return _not_below(minimum, _parse_whole_number(text))

    return Kind(f"a whole number from {minimum}", parse)


def size(minimum: int) -> Kind:
    """Return the kind of sizes from `minimum` bytes."""

    def parse(text: str) -> int:
        return _not_below(minimum, _parse_size(text))

    expected = f"bytes, or a number with KiB, MiB or GiB, from {_show_size(minimum)}"
    return Kind(expected, parse, _show_size)


def seconds(*, above_zero: bool) -> Kind:
    """Return the kind of durations in seconds, with or without 0."""

    def parse(text: str) -> float:
        value = float(text)
        if not math.isfinite(value) or value < 0 or (above_zero and value == 0):
            raise ValueError("not a duration")
        return value

    return Kind(f"seconds{' above 0' if above_zero else ' from 0'}", parse, _show_number)


def one_of(words: Collection[str]) -> Kind:
    """Return the kind of these words, in lower case."""

    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError("not one of them")
        return text.lower()

    return Kind("one of " + ", ".join(words), parse)


def optional(kind: Kind, word: str) -> Kind:
    """Return the kind of values of `kind`, or `word` for `None`."""
    return Kind(
        f"{kind.expected}, or `{word}`",
        lambda text: None if text.lower() == word else kind.parse(text),
        lambda value: word if value is None else kind.show(value),
    )


def _list_of(form: re.Pattern[str], expected: str) -> Kind:
    """Return the kind of lists whose entries match `form` in lower case."""

    def parse(text: str) -> tuple[str, ...]:
        parts = _parse_list(text.lower())
        if not all(map(form.fullmatch, parts)):
            raise ValueError("not such a list")
        return parts

    return Kind(expected, parse, ",".join)


def _not_below(minimum: int, value: int) -> int:
    if value < minimum:
        raise ValueError("too small")
    return value


def _show_number(value: float) -> str:
    return f"{value:.15g}"


SWITCH = Kind("true or false", _parse_switch, _show_switch)
NAME = Kind("a name", _parse_name)
FOLDER = Kind("a folder", _parse_path)
FILE = Kind("a file", _parse_path)
ADDRESS = Kind("host:port, or [IPv6]:port", ListenAddress.parse)
REDIS_URL = Kind(
    "embedded, or a redis://, rediss:// or unix:// URL, or redis+sentinel://host:port,…/name, "
    "with / ? # @ in a password as %2F %3F %23 %40",
    _parse_redis_url,
)
STORE_URL = Kind(
    REDIS_URL.expected.replace(", with", ", or redis+cluster://host:port,…, with"),
    _parse_redis_url,
)
LIST = Kind(
    "directories, http(s) URLs and sources files, separated by commas", _parse_list, ",".join
)
HOSTS = _list_of(_HOST_NAME, "host names without ports, IPv6 in brackets, separated by commas")
ORIGINS = _list_of(
    _ORIGIN, "origins such as https://profiler.firefox.com, without a path, separated by commas"
)
SOURCE_LINKS = Kind(
    "host=URL, separated by commas; the URL may have {host}, {repository}, {path}, {revision} and "
    "{line}, and %2C for a comma",
    _parse_source_links,
    ",".join,
)
