"""Buckets of S3 and stores with its API, as `s3://bucket/prefix`.

s3://symbols/v1?region=eu-central-1
    https://symbols.s3.eu-central-1.amazonaws.com/v1
s3://symbols/v1?endpoint=https://minio.example:9000
    https://minio.example:9000/symbols/v1
"""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, quote, unquote

from symbolon_server.suppliers.web.signing import S3Signer, SigningUnavailableError
from symbolon_server.suppliers.web.urls import InvalidUrlError, ServerUrl

S3_SCHEME: Final = "s3"
BUCKET_KEYS: Final = ("region", "endpoint", "profile")

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION: Final = re.compile(r"[a-z0-9-]{1,40}")


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket that is read with signed requests."""

    url: ServerUrl
    signer: S3Signer = field(repr=False)


def parse_bucket(text: str) -> Bucket:
    """Return the bucket of an `s3://` URL with its parameters; raise `InvalidUrlError`."""
    location, _, query = text.partition("?")
    given = dict(parse_qsl(query, keep_blank_values=True))
    if not set(given) <= set(BUCKET_KEYS):
        raise InvalidUrlError(f"has an unknown parameter; s3 takes {', '.join(BUCKET_KEYS)}")
    return open_bucket(location, **given)


def open_bucket(location: str, region: str = "", endpoint: str = "", profile: str = "") -> Bucket:
    """Return the bucket at `s3://bucket/prefix`; raise `InvalidUrlError`.

    Without `endpoint` it is that of AWS. Without `region` the one of environment or profile counts.
    """
    name, _, prefix = location.partition("://")[2].partition("/")
    if not _BUCKET.fullmatch(name):
        raise InvalidUrlError("does not name a bucket: s3://bucket/prefix")
    if region and not _REGION.fullmatch(region):
        raise InvalidUrlError("has an invalid region")
    try:
        signer = S3Signer(region, profile)
    except SigningUnavailableError as error:
        raise InvalidUrlError(str(error)) from None
    path = quote(unquote(prefix.strip("/")))
    return Bucket(ServerUrl.parse(_url_of(name, path, signer.region, endpoint)), signer)


def _url_of(name: str, path: str, region: str, endpoint: str) -> str:
    if endpoint:
        return f"{endpoint.rstrip('/')}/{name}/{path}"
    # No certificate covers a host with more dots.
    if "." in name:
        return f"https://s3.{region}.amazonaws.com/{name}/{path}"
    return f"https://{name}.s3.{region}.amazonaws.com/{path}"
