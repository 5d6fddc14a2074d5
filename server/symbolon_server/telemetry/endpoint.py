"""The HTTP endpoint that Prometheus scrapes."""

import os
import socket
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any, Final, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, Metric, make_wsgi_app
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from symbolon_server.telemetry.lasting_threads import LastingThread, LastResort
from symbolon_server.telemetry.metrics import REGISTRY

MULTIPROCESS_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Makes prometheus-client, at import, keep its values in files in this directory."""

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


class MetricsEndpoint:
    """Serves the metrics over HTTP until it is closed."""

    def __init__(self, host: str, port: int, registry: CollectorRegistry = REGISTRY) -> None:
        """Listen on `host` and `port` (0: any free one); raise `OSError` if it is in use."""
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        kind = _Server6 if family == socket.AF_INET6 else _Server
        app = make_wsgi_app(registry)
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
