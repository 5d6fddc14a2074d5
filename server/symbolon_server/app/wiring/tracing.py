"""Traces, from the settings and OpenTelemetry's own variables."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Final

from symbolon_server.app import StartError
from symbolon_server.settings import Settings
from symbolon_server.telemetry.tracing.tracer import Tracer
from symbolon_server.telemetry.tracing.variables import (
    Collector,
    InvalidTracingError,
    is_disabled,
    read_collector,
    read_resource,
    read_sampler,
)

_PACKAGE: Final = "opentelemetry.proto"
_CHECK_SECONDS: Final = 3.0

_MISSING: Final = (
    f"SYMBOLON_TRACING: the package {_PACKAGE} is not installed: install the extra 'tracing', by "
    "pip install '.[tracing]' in a checkout or pip install 'WHEEL[tracing]' from a wheel"
)


def is_traced(settings: Settings, environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether to trace: `OTEL_SDK_DISABLED` overrides the setting."""
    return settings.tracing and not is_disabled(environment)


def refuse_bad_tracing(settings: Settings) -> None:
    """Raise `StartError` if traces are asked for and cannot be sent."""
    if is_traced(settings):
        collector_of(os.environ)


def collector_of(environment: Mapping[str, str]) -> Collector:
    """Return where spans are sent; raise `StartError` if they cannot be."""
    if not _is_installed():
        raise StartError(_MISSING)
    try:
        read_sampler(environment)
        read_resource(environment, "")
        return read_collector(environment)
    except InvalidTracingError as error:
        raise StartError(str(error)) from error


def tracer_of(
    settings: Settings, service: str, timeout_seconds: float | None = None
) -> Tracer | None:
    """Return what traces this program, or None; raise `StartError` if it cannot.

    `timeout_seconds` is that of one request to the collector, instead of the variables'.
    """
    if not is_traced(settings):
        return None
    collector = collector_of(os.environ)
    from symbolon_server.telemetry.tracing.otlp import OtlpExporter  # noqa: PLC0415 # an extra
    from symbolon_server.telemetry.tracing.outbox import Outbox  # noqa: PLC0415 # only if traced

    resource = read_resource(os.environ, service)
    outbox = Outbox(OtlpExporter(collector, resource, timeout_seconds))
    return Tracer(read_sampler(os.environ), outbox)


@contextmanager
def traced(settings: Settings, service: str) -> Iterator[Tracer | None]:
    """Yield what traces a program with threads, or None; raise `StartError` if it cannot.

    Spans that wait at the end are sent within `CLOSE_SECONDS`.
    """
    tracer = tracer_of(settings, service)
    if tracer is None:
        yield None
        return
    from symbolon_server.telemetry.tracing.outbox import SendingThread  # noqa: PLC0415 # as above

    sending = SendingThread(tracer.outbox)
    sending.start()
    try:
        yield tracer
    finally:
        sending.close()


def takes_spans(collector: Collector) -> bool:
    """Return whether a collector takes a request, one without spans."""
    from symbolon_server.telemetry.tracing.otlp import OtlpExporter  # noqa: PLC0415 # an extra
    from symbolon_server.telemetry.tracing.outbox import Sent  # noqa: PLC0415 # only if traced

    return OtlpExporter(collector, {}, _CHECK_SECONDS).send([]) is Sent.TAKEN


def _is_installed() -> bool:
    try:
        return find_spec(_PACKAGE) is not None
    except ModuleNotFoundError:  # not even what it is in
        return False
