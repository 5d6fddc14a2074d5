"""Serves the metrics of this process and its child programs, added up, and answers probes."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from symbolon_server.app import StartError
from symbolon_server.app.process.program_health import ProgramHealth
from symbolon_server.rpc.calls.addresses import ListenAddress
from symbolon_server.telemetry.endpoint import (
    MULTIPROCESS_FOLDER_VARIABLE,
    MetricsEndpoint,
    Probes,
    registry_of_processes,
)
from symbolon_server.telemetry.logs import EventLog

_log = EventLog(__name__)


@contextmanager
def serve_metrics(
    listen: ListenAddress | None, health: ProgramHealth
) -> Iterator[Mapping[str, str]]:
    """Serve metrics and health at `listen` until the end of the context, unless it is None.

    Yields the environment that makes child programs count there, too, and tell their condition.
    Raises `StartError`.
    """
    if listen is None:
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="symbolon-metrics-") as folder:
        health.folder = Path(folder)
        probes = Probes(health.why_not_live, health.why_not_ready)
        registry = registry_of_processes(Path(folder))
        try:
            endpoint = MetricsEndpoint(listen.host, listen.port, registry, probes)
        except OSError as error:
            raise StartError(f"cannot serve metrics on {listen}: {error.strerror}") from error
        with endpoint:
            _log.info("metrics_served", address=str(ListenAddress(listen.host, endpoint.port)))
            yield {MULTIPROCESS_FOLDER_VARIABLE: folder}
