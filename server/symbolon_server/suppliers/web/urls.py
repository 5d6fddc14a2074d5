"""The URL of a symbol server, with its secrets separate from what is shown."""

from base64 import b64encode
from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

HTTP_SCHEMES = frozenset({"http", "https"})

_DEFAULT_PORTS = {"http": 80, "https": 443}


class InvalidUrlError(ValueError):
    """An invalid URL; the text says why and does not contain the URL."""


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """The URL of a symbol server or a redirect.

    `str()` and `repr()` show no credentials and no query: either may be a secret.
    """

    scheme: str
    host: str
    """As in a URL: in lower case, IPv6 in brackets."""

    port: int
    path: str
    query: str = field(repr=False)
    authorization: str | None = field(repr=False)
    """The header's value, from `user:password@`."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the parts of `text`; raise `InvalidUrlError` if it is not an http(s) URL."""
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise InvalidUrlError("is not a URL") from None
        scheme = parts.scheme.lower()
        if scheme not in HTTP_SCHEMES:
            raise InvalidUrlError("is not http or https")
        if not parts.hostname:
            raise InvalidUrlError("has no host")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        credentials, at, _ = parts.netloc.rpartition("@")
        authorization = _basic_authorization(credentials) if at else None
        port = port or _DEFAULT_PORTS[scheme]
        return cls(scheme, host, port, parts.path, parts.query, authorization)

    def __str__(self) -> str:
        """Return host and path, for display."""
        return f"{self.authority}{self.path}".rstrip("/")

    @property
    def authority(self) -> str:
        """The host, with its port if that is not the default."""
        is_default = self.port == _DEFAULT_PORTS[self.scheme]
        return self.host if is_default else f"{self.host}:{self.port}"

    @property
    def origin(self) -> str:
        """The prefix of all URLs of this server, and of no others."""
        return f"{self.scheme}://{self.authority}/"

    @property
    def bare_host(self) -> str:
        """The host for resolvers: IPv6 without brackets."""
        return self.host.removeprefix("[").removesuffix("]")

    def has_origin_of(self, other: Self) -> bool:
        """Return whether credentials for `other` may be sent to this server."""
        return (self.scheme, self.host, self.port) == (other.scheme, other.host, other.port)

    def is_place_of(self, other: Self) -> bool:
        """Return whether both are the same URL, apart from credentials and query."""
        return self.has_origin_of(other) and self.path.rstrip("/") == other.path.rstrip("/")

    def at(self, quoted_path: str) -> Self:
        """Return the URL of a path below this one, with the same query."""
        return replace(self, path=f"{self.path.rstrip('/')}/{quoted_path}")

    def to_ask(self) -> str:
        """Return the URL for a request, without credentials; never show it."""
        query = f"?{self.query}" if self.query else ""
        return f"{self.origin}{self.path.removeprefix('/')}{query}"

    def follow(self, location: str) -> Self:
        """Return the target of a redirect; raise `InvalidUrlError` if it is not an http(s) URL."""
        try:
            target = urljoin(self.to_ask(), location)
        except ValueError:
            raise InvalidUrlError("is not a URL") from None
        return self.parse(target)


def _basic_authorization(credentials: str) -> str:
    user, _, password = credentials.partition(":")
    pair = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
    return "Basic " + b64encode(pair).decode("ascii")
