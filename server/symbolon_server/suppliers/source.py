"""One source of symbol files as the settings describe it, from which its supplier is made."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from symbolon_server.suppliers.buckets import S3_SCHEME
from symbolon_server.suppliers.contents.limits import FetchLimits
from symbolon_server.suppliers.contents.supplier import Supplier
from symbolon_server.suppliers.directory import DirectorySupplier
from symbolon_server.suppliers.layouts.named import DEFAULT_LAYOUT
from symbolon_server.suppliers.layouts.options import SupplierOptions
from symbolon_server.suppliers.misses import SupplierWithMemory
from symbolon_server.suppliers.web.signing import Sign
from symbolon_server.suppliers.web.urls import HTTP_SCHEMES, InvalidUrlError, ServerUrl
from symbolon_server.telemetry.software import software_name

SOURCES_FILE: Final = ".toml"
"""The ending of a sources file."""

_DEBUGINFOD: Final = "debuginfod"
_BUILDID: Final = "/buildid"


class InvalidSupplierError(ValueError):
    """An invalid supplier; the text gives its position and never a credential."""


@dataclass(frozen=True, slots=True)
class Source:
    """A supplier to be: where it is, and how it is asked."""

    where: Path | ServerUrl
    options: SupplierOptions
    layout: str = DEFAULT_LAYOUT
    """The name of its layout."""

    limits: FetchLimits = field(default_factory=FetchLimits)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret_files: tuple[Path, ...] = ()
    """The files from which its secrets came."""

    are_misses_retried: bool = True

    sign: Sign | None = field(default=None, repr=False)
    """Signs requests to a bucket."""

    def make(self) -> Supplier:
        """Return the supplier, which connects at its first fetch."""
        supplier = self._make()
        return supplier if self.are_misses_retried else SupplierWithMemory(supplier)

    def _make(self) -> Supplier:
        if isinstance(self.where, Path):
            return DirectorySupplier(self.where, self.limits, self.options)
        # Imported here: a server only checks its suppliers, so it needs no HTTP client.
        from symbolon_server.suppliers.web.http import HttpSupplier  # noqa: PLC0415 # see above

        return HttpSupplier(
            self._base_of(self.where),
            software_name(),
            self.limits,
            headers=self.headers,
            options=self.options,
            sign=self.sign,
        )

    def _base_of(self, url: ServerUrl) -> ServerUrl:
        """Return the URL below which the paths are.

        Symbolicator's configuration has `/buildid` in the URLs of debuginfod, elfutils' has not.
        """
        path = url.path.rstrip("/")
        if self.layout == _DEBUGINFOD and path.endswith(_BUILDID):
            return replace(url, path=path.removesuffix(_BUILDID))
        return url


def is_bucket(text: str) -> bool:
    """Return whether this is an `s3://` URL."""
    return text.partition("://")[0].lower() == S3_SCHEME


def read_path(text: str) -> Path:
    """Return a path, in which `~` is a home; raise `InvalidUrlError` if no file can have it."""
    if "\0" in text:
        raise InvalidUrlError("contains a zero byte")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise InvalidUrlError("begins with the home of an unknown user") from None


def locate(text: str) -> Path | ServerUrl:
    """Return the directory or http(s) URL; raise `InvalidUrlError`."""
    scheme, mark, _ = text.partition("://")
    if not mark:
        return read_path(text)
    if scheme.lower() not in HTTP_SCHEMES:
        raise InvalidUrlError("is neither a directory nor an http, https or s3 URL")
    return ServerUrl.parse(text)
