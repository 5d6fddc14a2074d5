"""The HTTP endpoint that Prometheus scrapes, and orchestrators probe."""

import os
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any, Final, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from prometheus_client import CollectorRegistry, Metric, make_wsgi_app
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from symbolon_server.telemetry.lasting_threads import LastingThread, LastResort
from symbolon_server.telemetry.metrics import REGISTRY

MULTIPROCESS_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Makes prometheus-client, at import, keep its values in files in this directory."""

LIVE_PATH: Final = "/livez"
READY_PATH: Final = "/readyz"

_THREAD: Final = "metrics"
_GONE: Final = ConnectionError, TimeoutError
"""What is raised where a client has left, or says nothing."""


class _Server(ThreadingMixIn, WSGIServer):
    """Handles each request in a thread of its own."""

    daemon_threads = True
    failed_requests = LastResort(_THREAD)

    def handle_error(self, request: Any, client_address: Any) -> None:
        del request, client_address
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, _GONE):
            self.failed_requests.note(error)


class _Server6(_Server):
    address_family = socket.AF_INET6


class _SilentHandler(WSGIRequestHandler):
    timeout = 10
    """In seconds, for a connection to say something; each holds a thread until then."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 # as inherited
        """Log no request."""


def _find_nothing_wrong() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Probes:
    """What liveness and readiness probes are told: what is wrong, or nothing if all is well."""

    why_not_live: Callable[[], str] = _find_nothing_wrong
    why_not_ready: Callable[[], str] = _find_nothing_wrong


class MetricsEndpoint:
    """Serves the metrics and answers probes over HTTP until it is closed."""

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry = REGISTRY,
        probes: Probes | None = None,
    ) -> None:
        """Listen on `host` and `port` (0: any free one); raise `OSError` if it is in use."""
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        kind = _Server6 if family == socket.AF_INET6 else _Server
        app = _app_of(make_wsgi_app(registry), probes or Probes())
        self._server = make_server(
            str(address[0]), port, app, server_class=kind, handler_class=_SilentHandler
        )
        self.port: int = self._server.server_port
        self._thread = LastingThread(_THREAD, self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        """Stop serving and free the port."""
        self._thread.is_closing.set()
        self._server.shutdown()
        self._thread.close()
        self._server.server_close()

    def __enter__(self) -> Self:
        """Return the endpoint, which is serving."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the endpoint."""
        self.close()


def _app_of(metrics: WSGIApplication, probes: Probes) -> WSGIApplication:
    """Return what answers requests: probes at their paths, metrics at all others."""
    found = {
        LIVE_PATH: ("live", probes.why_not_live),
        READY_PATH: ("ready", probes.why_not_ready),
    }

    def answer(environment: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environment["PATH_INFO"] not in found:
            return metrics(environment, start_response)
        word, find_problem = found[environment["PATH_INFO"]]
        problem = find_problem()
        status = HTTPStatus.SERVICE_UNAVAILABLE if problem else HTTPStatus.OK
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]
        start_response(f"{status.value} {status.phrase}", headers)
        return [f"not {word}: {problem}\n".encode() if problem else f"{word}\n".encode()]

    return answer


def registry_of_processes(folder: Path, own: CollectorRegistry = REGISTRY) -> CollectorRegistry:
    """Return a registry with the sums of `own` and all processes with values in `folder`."""
    registry = CollectorRegistry()
    registry.register(_Sums(folder, own))
    return registry


class _Sums(Collector):
    """Adds the values of this process to those that others keep in files."""

    def __init__(self, folder: Path, own: CollectorRegistry) -> None:
        self._folder = folder
        self._own = own
        self._others = MultiProcessCollector(None, str(folder))  # type: ignore[no-untyped-call] # the package has no type for this

    def collect(self) -> Iterator[Metric]:
        self._drop_gauges_of_dead_processes()
        families: dict[str, Metric] = {}
        others = self._others.collect()  # type: ignore[no-untyped-call] # as above
        for family in chain(self._own.collect(), others):
            known = families.setdefault(family.name, family)
            if known is not family:
                known.samples += family.samples
        for family in families.values():
            family.samples = _add_up(family.samples)
            yield family

    def _drop_gauges_of_dead_processes(self) -> None:
        """Drop the gauges of processes that were killed; their counters stay."""
        for path in self._folder.glob("gauge_live*_*.db"):
            process_id = int(path.stem.rpartition("_")[2])
            try:
                os.kill(process_id, 0)
            except ProcessLookupError:
                mark_process_dead(process_id, str(self._folder))  # type: ignore[no-untyped-call] # as above


def _add_up(samples: Iterable[Sample]) -> list[Sample]:
    """Return one sample for each name and labels, in the order of first occurrence."""
    sums: dict[tuple[str, frozenset[tuple[str, str]]], Sample] = {}
    for sample in samples:
        key = sample.name, frozenset(sample.labels.items())
        before = sums.get(key)
        sums[key] = sample if before is None else sample._replace(value=before.value + sample.value)
    return list(sums.values())
