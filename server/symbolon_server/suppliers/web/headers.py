"""Headers that a single supplier is sent, read from a file: API keys and the like.

    # supplier's URL           name: value
    https://symbols.example/a  Authorization: Bearer c2VjcmV0
    https://symbols.example/a  X-Client: crashes

The URL is the supplier's own, without credentials and query.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from symbolon_server.suppliers.web.urls import InvalidUrlError, ServerUrl

_LINE = re.compile(r"(\S+)[ \t]+([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\t]+)", re.ASCII)
"""What HTTP lets a header be, after a URL."""


class InvalidHeadersError(ValueError):
    """A line that cannot be used; the text says which, and holds nothing of it."""


@dataclass(frozen=True, slots=True)
class Header:
    """One header of one supplier."""

    line: int
    """Where it stands in the file; 1 is the first."""

    url: ServerUrl
    name: str
    value: str = field(repr=False)


def parse_headers(text: str) -> list[Header]:
    """Return the headers in the text of such a file; raise `InvalidHeadersError`."""
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
    """Return the names and values of those headers that are for the supplier at `url`."""
    return {header.name: header.value for header in headers if header.url.is_place_of(url)}


def refuse_unused(headers: Sequence[Header], urls: Sequence[ServerUrl]) -> None:
    """Raise `InvalidHeadersError` for a header whose URL is no supplier's: it is misspelt."""
    for header in headers:
        if not any(header.url.is_place_of(url) for url in urls):
            raise InvalidHeadersError(f"the URL in line {header.line} is none of the suppliers'")
