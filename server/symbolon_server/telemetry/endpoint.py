"""The HTTP endpoint that Prometheus scrapes."""

import threading
from pathlib import Path
from types import TracebackType
from typing import Self
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

from symbolon_server.telemetry.metrics import REGISTRY

MULTIPROCESS_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Tells prometheus-client, when it is imported, to keep its values in files of this folder."""


class MetricsEndpoint:
    """Serves the metrics over HTTP until it is closed."""

    def __init__(self, host: str, port: int, registry: CollectorRegistry = REGISTRY) -> None:
        """Listen on `host` and `port` (0: any free one); raise `OSError` when that is taken."""
        self._server: WSGIServer
        self._thread: threading.Thread
        self._server, self._thread = start_http_server(port, addr=host, registry=registry)
        self.port: int = self._server.server_port

    def close(self) -> None:
        """Stop serving and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        """Return the endpoint, which serves already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the endpoint."""
        self.close()


def registry_of_processes(folder: Path) -> CollectorRegistry:
    """Return a registry with the sums over all processes that keep their values in `folder`."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call] # the package types this one not
    return registry
