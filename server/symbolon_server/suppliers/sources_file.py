"""Reads a sources file: TOML with a table for each source.

    [[source]]
    location = "https://symbols.example.org/store"
    layout = "symstore"
    only = ["*.pdb", "*.dll"]
    token_env = "SYMBOL_STORE_TOKEN"

    [[source]]
    location = "/srv/symbols"

Names of files are relative to the folder of the sources file. It contains no secret: these come
from environment variables and from files of their own.
"""

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from symbolon_server.suppliers.buckets import BUCKET_KEYS, open_bucket
from symbolon_server.suppliers.contents.limits import FetchLimits
from symbolon_server.suppliers.layouts.named import DEFAULT_LAYOUT, NAMED_LAYOUTS
from symbolon_server.suppliers.layouts.options import (
    DIRECTORY_OPTIONS,
    URL_OPTIONS,
    InvalidOptionError,
    NamePatterns,
    SupplierOptions,
)
from symbolon_server.suppliers.secrets import (
    from_environment,
    from_file,
    headers_from_file,
    is_header,
    is_secret_header,
)
from symbolon_server.suppliers.source import (
    SOURCES_FILE,
    InvalidSupplierError,
    Source,
    is_bucket,
    locate,
    read_path,
)
from symbolon_server.suppliers.web.urls import InvalidUrlError, ServerUrl

_TABLE: Final = "source"
_ABSENT_STATUS: Final = 403


class SourceKey(NamedTuple):
    """A key of a source's table: what its value must be, and what it means."""

    expected: str
    is_valid: Callable[[Any], bool]
    meaning: str
    is_for_urls: bool = False
    """Whether it makes no sense for a directory."""


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_text, value))


def _is_seconds(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 < value < float("inf")


def _is_bytes(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_headers(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


_text = partial(SourceKey, "a text", _is_text)
_texts = partial(SourceKey, "a list of texts", _is_texts)
_seconds = partial(SourceKey, "a number of seconds above 0", _is_seconds)


def _choice(values: Iterable[str], meaning: str) -> SourceKey:
    first, *others = values
    return SourceKey(f"{first} (the default), {', '.join(others)}", _is_text, meaning)


SOURCE_KEYS: Final[Mapping[str, SourceKey]] = {
    "location": _text(
        "A directory, an http(s) URL without credentials and query, or `s3://bucket/prefix`; "
        "required."
    ),
    "region": _text("Region of a bucket; default: that of environment or profile."),
    "endpoint": _text("URL of a store with the API of S3; default: AWS."),
    "profile": _text("Profile with the credentials for a bucket; default: as AWS's tools."),
    "layout": _choice(NAMED_LAYOUTS, "Where files are below the location."),
    "casing": _choice(DIRECTORY_OPTIONS.values["casing"], "Spelling of paths; `any`: directories."),
    "files": _texts("What is requested: `debug`, `code` and `symbol` files; default: all."),
    "compressed": _choice(
        ("last", "first", "never"),
        "When to request `name.pd_` and `name.ex_` in the layouts of symbol servers.",
    ),
    "only": _texts("Patterns such as `*.pdb`: only modules whose debug or code file matches one."),
    "except": _texts("Patterns of debug and code files of modules that are not requested."),
    "absent": SourceKey(
        "[403]",
        lambda value: value == [_ABSENT_STATUS],
        "Further HTTP statuses that mean a missing file.",
        is_for_urls=True,
    ),
    "retry_missing": SourceKey(
        "true (the default) or false",
        lambda value: isinstance(value, bool),
        "Whether a worker requests a missing file again within the hour: `false` is for archives "
        "that rarely get new files.",
    ),
    "headers": SourceKey(
        "a table of texts", _is_headers, "Headers of each request; no secrets.", is_for_urls=True
    ),
    "headers_file": _text(
        "File of headers with secrets, one `name: value` per line.", is_for_urls=True
    ),
    "token_env": _text("Environment variable with a bearer token.", is_for_urls=True),
    "token_file": _text("File with a bearer token.", is_for_urls=True),
    "query_env": _text("Environment variable with the query of each URL.", is_for_urls=True),
    "query_file": _text(
        "File with the query of each URL, such as a shared access signature.", is_for_urls=True
    ),
    "connect_seconds": _seconds("As `SYMBOLON_SUPPLIER_CONNECT_SECONDS`.", is_for_urls=True),
    "read_seconds": _seconds("As `SYMBOLON_SUPPLIER_READ_SECONDS`.", is_for_urls=True),
    "total_seconds": _seconds("As `SYMBOLON_SUPPLIER_TOTAL_SECONDS`.", is_for_urls=True),
    "max_bytes": SourceKey(
        "a number of bytes above 0", _is_bytes, "As `SYMBOLON_MAX_FETCHED_BYTES`."
    ),
}
"""The keys of a source's table."""

_OPTION_KEYS: Final = ("layout", "casing", "files", "compressed", "absent")


def parse_sources(
    text: str, folder: Path, environment: Mapping[str, str], limits: FetchLimits
) -> list[Source]:
    """Return the sources in the text of a file in `folder`, in order.

    `limits` are those of sources that say nothing else. Raises `InvalidSupplierError`.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidSupplierError(f"is not TOML: {error}") from None
    except RecursionError:
        raise InvalidSupplierError("is not TOML of sources: it is nested too deep") from None
    _refuse_unknown(content, [_TABLE])
    tables = content.get(_TABLE)
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise InvalidSupplierError("has no table [[source]]")
    return list(_parse_tables(tables, _Reading(folder, environment, limits)))


def _refuse_unknown(table: Mapping[str, Any], known: list[str]) -> None:
    for key in table:
        if key not in known:
            likely = get_close_matches(key, known, n=1)
            meant = f": is {likely[0]} meant?" if likely else f"; the keys are {', '.join(known)}"
            raise InvalidSupplierError(f"unknown key {key!r}{meant}")


class _Reading(NamedTuple):
    """What a table is read with."""

    folder: Path
    environment: Mapping[str, str]
    limits: FetchLimits

    def file(self, name: str) -> Path:
        try:
            return self.folder / read_path(name)
        except InvalidUrlError as error:
            raise InvalidSupplierError(f"the file {name!r} {error}") from None


def _parse_tables(tables: list[dict[str, Any]], reading: _Reading) -> Iterator[Source]:
    for number, table in enumerate(tables, start=1):
        try:
            yield _parse_table(table, reading)
        except InvalidUrlError as error:
            raise InvalidSupplierError(f"source {number}: its location {error}") from None
        except (InvalidSupplierError, InvalidOptionError) as error:
            raise InvalidSupplierError(f"source {number}: {error}") from None


def _parse_table(table: Mapping[str, Any], reading: _Reading) -> Source:
    _refuse_unknown(table, list(SOURCE_KEYS))
    for key, value in table.items():
        if not SOURCE_KEYS[key].is_valid(value):
            raise InvalidSupplierError(f"{key} must be {SOURCE_KEYS[key].expected}")
    if "location" not in table:
        raise InvalidSupplierError("has no location")
    if is_bucket(table["location"]):
        return _bucket(table, reading)
    for key in BUCKET_KEYS:
        if key in table:
            raise InvalidSupplierError(f"{key} is for buckets: s3://bucket/prefix")
    where = locate(table["location"])
    if isinstance(where, Path):
        if where.suffix == SOURCES_FILE:
            raise InvalidSupplierError("its location is a sources file: list it in the setting")
        return _directory(reading.folder / where, table, reading)
    return _server(where, table, reading)


def _directory(where: Path, table: Mapping[str, Any], reading: _Reading) -> Source:
    for key in table:
        if SOURCE_KEYS[key].is_for_urls:
            raise InvalidSupplierError(f"{key} is for URLs, and its location is a directory")
    return _source(where, table, reading)


def _bucket(table: Mapping[str, Any], reading: _Reading) -> Source:
    for key in table:
        if key.startswith(("token_", "query_")):
            raise InvalidSupplierError(f"{key} is not for buckets, whose requests are signed")
    given = {key: table[key] for key in BUCKET_KEYS if key in table}
    bucket = open_bucket(table["location"], **given)
    return replace(_server(bucket.url, table, reading), sign=bucket.signer.sign)


def _server(url: ServerUrl, table: Mapping[str, Any], reading: _Reading) -> Source:
    if url.authorization or url.query:
        raise InvalidSupplierError(
            "its location must not have credentials or a query: use headers_file or token_env, and "
            "query_env"
        )
    query = _secret(table, "query", reading)
    source = _source(replace(url, query=query.removeprefix("?")), table, reading)
    files = [reading.file(table[key]) for key in table if key.endswith("_file")]
    return replace(source, headers=_headers(table, reading), secret_files=tuple(files))


def _source(where: Path | ServerUrl, table: Mapping[str, Any], reading: _Reading) -> Source:
    return Source(
        where,
        _options(table, is_directory=isinstance(where, Path)),
        table.get("layout", DEFAULT_LAYOUT),
        _limits(table, reading.limits),
        are_misses_retried=table.get("retry_missing", True),
    )


def _options(table: Mapping[str, Any], *, is_directory: bool) -> SupplierOptions:
    rules = DIRECTORY_OPTIONS if is_directory else URL_OPTIONS
    written = {key: table[key] for key in _OPTION_KEYS if key in table}
    flat = {
        key: "+".join(map(str, value)) if isinstance(value, list) else value
        for key, value in written.items()
    }
    patterns = NamePatterns(tuple(table.get("only", ())), tuple(table.get("except", ())))
    return replace(rules.parse(flat.items()), patterns=patterns)


def _limits(table: Mapping[str, Any], limits: FetchLimits) -> FetchLimits:
    return limits._replace(
        connect_seconds=table.get("connect_seconds", limits.connect_seconds),
        read_seconds=table.get("read_seconds", limits.read_seconds),
        total_seconds=table.get("total_seconds", limits.total_seconds),
        max_sent_bytes=table.get("max_bytes", limits.max_sent_bytes),
    )


def _headers(table: Mapping[str, Any], reading: _Reading) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in table.get("headers", {}).items():
        if is_secret_header(name):
            raise InvalidSupplierError(f"the header {name} may be a secret: put it in headers_file")
        if not is_header(name, value):
            raise InvalidSupplierError(f"the header {name} is not one that HTTP allows")
        headers[name] = value
    if "headers_file" in table:
        headers |= headers_from_file(reading.file(table["headers_file"]), "headers_file")
    if token := _secret(table, "token", reading):
        headers["Authorization"] = f"Bearer {token}"
    return headers


def _secret(table: Mapping[str, Any], name: str, reading: _Reading) -> str:
    """Return the secret that `<name>_env` or `<name>_file` names; empty if neither is there."""
    by_variable, by_file = f"{name}_env", f"{name}_file"
    if by_variable in table and by_file in table:
        raise InvalidSupplierError(f"has both {by_variable} and {by_file}")
    if by_variable in table:
        return from_environment(reading.environment, table[by_variable], by_variable)
    if by_file in table:
        return from_file(reading.file(table[by_file]), by_file)
    return ""
