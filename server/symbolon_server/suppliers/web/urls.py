"""A symbol server's URL, taken apart so that its secrets stay apart from what is shown."""

from base64 import b64encode
from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

HTTP_SCHEMES = frozenset({"http", "https"})

_DEFAULT_PORTS = {"http": 80, "https": 443}


class InvalidUrlError(ValueError):
    """A URL that cannot be asked; the text says why and does not hold the URL."""


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """Where a symbol server or a redirect points to.

    `str()` and `repr()` show no credentials and no query: either may be a secret.
    """

    scheme: str
    host: str
    """As it stands in a URL: in lower case, IPv6 in brackets."""

    port: int
    path: str
    query: str = field(repr=False)
    authorization: str | None = field(repr=False)
    """The header's value, from `user:password@`."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the parts of `text`; raise `InvalidUrlError` if it is no http(s) URL."""
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise InvalidUrlError("is no URL") from None
        scheme = parts.scheme.lower()
        if scheme not in HTTP_SCHEMES:
            raise InvalidUrlError("is not http or https")
        if not parts.hostname:
            raise InvalidUrlError("names no host")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        credentials, at, _ = parts.netloc.rpartition("@")
        authorization = _basic_authorization(credentials) if at else None
        port = port or _DEFAULT_PORTS[scheme]
        return cls(scheme, host, port, parts.path, parts.query, authorization)

    def __str__(self) -> str:
        """Return host and path for people."""
        return f"{self.authority}{self.path}".rstrip("/")

    @property
    def authority(self) -> str:
        """The host, with its port where that is not the scheme's own."""
        is_default = self.port == _DEFAULT_PORTS[self.scheme]
        return self.host if is_default else f"{self.host}:{self.port}"

    @property
    def origin(self) -> str:
        """What all URLs of this server begin with, and no others."""
        return f"{self.scheme}://{self.authority}/"

    @property
    def bare_host(self) -> str:
        """The host as resolvers want it: IPv6 without brackets."""
        return self.host.removeprefix("[").removesuffix("]")

    def has_origin_of(self, other: Self) -> bool:
        """Return whether what is meant for `other` may be told to this server."""
        return (self.scheme, self.host, self.port) == (other.scheme, other.host, other.port)

    def is_place_of(self, other: Self) -> bool:
        """Return whether both point to the same place, whatever credentials and query they have."""
        return self.has_origin_of(other) and self.path.rstrip("/") == other.path.rstrip("/")

    def at(self, quoted_path: str) -> Self:
        """Return what lies at a path below this one; the query stays at its end."""
        return replace(self, path=f"{self.path.rstrip('/')}/{quoted_path}")

    def to_ask(self) -> str:
        """Return the URL without credentials, to be asked but never shown."""
        query = f"?{self.query}" if self.query else ""
        return f"{self.origin}{self.path.removeprefix('/')}{query}"

    def follow(self, location: str) -> Self:
        """Return where a redirect leads; raise `InvalidUrlError` if it is nowhere we go."""
        try:
            target = urljoin(self.to_ask(), location)
        except ValueError:
            raise InvalidUrlError("is no URL") from None
        return self.parse(target)


def _basic_authorization(credentials: str) -> str:
    user, _, password = credentials.partition(":")
    pair = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
    return "Basic " + b64encode(pair).decode("ascii")
