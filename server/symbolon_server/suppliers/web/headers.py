"""HTTP headers for single suppliers, such as API keys, read from a file.

    # supplier's URL           name: value
    https://symbols.example/a  Authorization: Bearer c2VjcmV0
    https://symbols.example/a  X-Client: crashes

The URL is that of the supplier, without credentials and query.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from symbolon_server.suppliers.web.urls import InvalidUrlError, ServerUrl

_LINE = re.compile(r"(\S+)[ \t]+([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\t]+)", re.ASCII)
"""A URL, then a header as HTTP allows it."""


class InvalidHeadersError(ValueError):
    """An invalid line; the text gives its number and quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Header:
    """One header of one supplier."""

    line: int
    """The line number in the file, from 1."""

    url: ServerUrl
    name: str
    value: str = field(repr=False)


def parse_headers(text: str) -> list[Header]:
    """Return the headers in the text of a file; raise `InvalidHeadersError`."""
    return list(_parse_lines(text))


def _parse_lines(text: str) -> Iterator[Header]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise InvalidHeadersError(f"line {number} is not `URL name: value`")
        try:
            yield Header(number, ServerUrl.parse(match[1]), match[2], match[3].strip())
        except InvalidUrlError as error:
            raise InvalidHeadersError(f"the URL in line {number} {error}") from None


def choose_headers(headers: Sequence[Header], url: ServerUrl) -> dict[str, str]:
    """Return the headers for the supplier at `url`, by name."""
    return {header.name: header.value for header in headers if header.url.is_place_of(url)}


def refuse_unused(headers: Sequence[Header], urls: Sequence[ServerUrl]) -> None:
    """Raise `InvalidHeadersError` if the URL of a header is not that of a supplier."""
    for header in headers:
        if not any(header.url.is_place_of(url) for url in urls):
            raise InvalidHeadersError(f"the URL in line {header.line} is not that of a supplier")
