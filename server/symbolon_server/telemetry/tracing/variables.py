"""OpenTelemetry's own variables: who we are, what is sampled, and where spans go."""

import math
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from symbolon_server.telemetry.software import software_version
from symbolon_server.telemetry.tracing.sampling import DEFAULT_SAMPLER, Sample, find_sampler

_OTLP: Final = "OTEL_EXPORTER_OTLP_"
_OTLP_TRACES: Final = "OTEL_EXPORTER_OTLP_TRACES_"
_DEFAULT_ENDPOINT: Final = "http://localhost:4318"
_PATH: Final = "/v1/traces"
_DEFAULT_MILLISECONDS: Final = "10000"
_PROTOCOL: Final = "http/protobuf"
_EXPORTER: Final = "otlp"
_MOST_SECONDS: Final = 24 * 3600.0
"""Python's sockets refuse timeouts of some centuries."""

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_HEADER_VALUE: Final = re.compile(r"[\t -~]*", re.ASCII)
"""Others would be refused with each request, by an error that has the value in its text."""


class InvalidTracingError(Exception):
    """A variable has a value that cannot be used; the text names it, and never its value."""


@dataclass(frozen=True, slots=True)
class Collector:
    """Where spans are sent, and how."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    timeout_seconds: float
    is_compressed: bool
    ca_file: str | None
    certificate_file: str | None
    key_file: str | None

    @property
    def name(self) -> str:
        """Host and port, for people."""
        return urlsplit(self.url).netloc.rpartition("@")[2]


def is_disabled(environment: Mapping[str, str]) -> bool:
    """Return whether OpenTelemetry is switched off as a whole."""
    return environment.get("OTEL_SDK_DISABLED", "").lower() == "true"


def read_collector(environment: Mapping[str, str]) -> Collector:
    """Return the collector in these variables; raise `InvalidTracingError`."""
    _expect(environment, "OTEL_TRACES_EXPORTER", _EXPORTER)
    for prefix in (_OTLP_TRACES, _OTLP):
        _expect(environment, f"{prefix}PROTOCOL", _PROTOCOL)
    compression = _find(environment, "COMPRESSION").lower() or "none"
    if compression not in ("none", "gzip"):
        raise InvalidTracingError(f"{_OTLP}COMPRESSION: use gzip or none")
    return Collector(
        url=_read_url(environment),
        headers=_read_headers(environment),
        timeout_seconds=_read_timeout(environment),
        is_compressed=compression == "gzip",
        ca_file=_find(environment, "CERTIFICATE") or None,
        certificate_file=_find(environment, "CLIENT_CERTIFICATE") or None,
        key_file=_find(environment, "CLIENT_KEY") or None,
    )


def read_sampler(environment: Mapping[str, str]) -> Sample:
    """Return the sampler in these variables; raise `InvalidTracingError`."""
    name = environment.get("OTEL_TRACES_SAMPLER", "").strip().lower() or DEFAULT_SAMPLER
    try:
        return find_sampler(name, environment.get("OTEL_TRACES_SAMPLER_ARG", "").strip())
    except ValueError:
        raise InvalidTracingError(
            "OTEL_TRACES_SAMPLER: use always_on, always_off or traceidratio with a share from 0 to "
            "1 in OTEL_TRACES_SAMPLER_ARG, or one of these with parentbased_ in front"
        ) from None


def read_resource(environment: Mapping[str, str], service: str) -> Mapping[str, str]:
    """Return what tells this process from others; raise `InvalidTracingError`.

    It is called `service` unless the variables give it another name.
    """
    variable = "OTEL_RESOURCE_ATTRIBUTES"
    given = _read_pairs(environment.get(variable, ""), variable)
    name = environment.get("OTEL_SERVICE_NAME") or given.get("service.name") or service
    ours = {
        "service.version": software_version(),
        "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
    }
    return {**ours, **given, "service.name": name}


def _find(environment: Mapping[str, str], name: str) -> str:
    """Return a variable of the exporter: the one for traces, else the one for all signals."""
    return environment.get(_OTLP_TRACES + name) or environment.get(_OTLP + name) or ""


def _expect(environment: Mapping[str, str], variable: str, only: str) -> None:
    if environment.get(variable, only) not in ("", only):
        raise InvalidTracingError(f"{variable}: only {only} is supported; unset it")


def _read_url(environment: Mapping[str, str]) -> str:
    """Return the URL for traces; that for all signals is one below which each has its path."""
    url = environment.get(f"{_OTLP_TRACES}ENDPOINT", "")
    if not url:
        base = environment.get(f"{_OTLP}ENDPOINT") or _DEFAULT_ENDPOINT
        url = base.rstrip("/") + _PATH
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise InvalidTracingError(f"{_OTLP}ENDPOINT: give a URL such as {_DEFAULT_ENDPOINT}")
    return url


def _read_timeout(environment: Mapping[str, str]) -> float:
    try:
        seconds = float(_find(environment, "TIMEOUT") or _DEFAULT_MILLISECONDS) / 1000
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= _MOST_SECONDS:
        raise InvalidTracingError(f"{_OTLP}TIMEOUT: give milliseconds, at most a day")
    return seconds


def _read_headers(environment: Mapping[str, str]) -> Mapping[str, str]:
    variable = f"{_OTLP}HEADERS"
    headers = _read_pairs(_find(environment, "HEADERS"), variable)
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise InvalidTracingError(f"{variable}: it has what no HTTP header may have")
    return headers


def _read_pairs(text: str, variable: str) -> dict[str, str]:
    """Return `name=value` pairs between commas, with values in percent encoding."""
    pairs: dict[str, str] = {}
    for pair in filter(None, map(str.strip, text.split(","))):
        name, separator, value = pair.partition("=")
        if not separator or not name.strip():
            raise InvalidTracingError(f"{variable}: give name=value, separated by commas")
        pairs[unquote(name.strip())] = unquote(value.strip())
    return pairs
