"""A worker as a program of its own, beside the process that starts it and serves its metrics."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from symbolon_server.app.process.children import Child
from symbolon_server.app.process.program_health import ProgramHealth
from symbolon_server.app.process.signals import Signals
from symbolon_server.app.wiring.metrics_server import serve_metrics
from symbolon_server.settings import Settings, unknown_variables

_PATIENCE_SECONDS = 5.0
"""Time for a worker to end after its own stop time."""


@contextmanager
def worker_program(settings: Settings, metrics: Mapping[str, str]) -> Iterator[Child]:
    """Run a worker until the end of the context.

    `metrics` is what `serve_metrics` yields: a worker forks, so it has no threads to serve them.
    Unknown variables are left out, because this process has warned of them already.
    """
    environment = replace(settings, metrics_listen=None).as_environment()
    unknown = frozenset(unknown_variables(os.environ))
    known = {name: value for name, value in os.environ.items() if name not in unknown}
    worker = Child(
        "worker",
        ["symbolon_server", "worker"],
        {**known, **environment, **metrics},
    )
    try:
        yield worker
    finally:
        worker.stop(settings.worker_stop_seconds + _PATIENCE_SECONDS)


def watch_worker(settings: Settings) -> None:
    """Serve metrics and health of a worker that runs beside this process until SIGTERM or SIGINT.

    What it says of itself is served, too, while it finishes its ingest.
    """
    health = ProgramHealth()
    with (
        Signals() as signals,
        serve_metrics(settings.metrics_listen, health) as metrics,
        worker_program(settings, metrics) as worker,
    ):
        health.add_child(worker, takes_work=True)
        signals.on_hang_up = worker.hang_up
        while not signals.wait(worker.revive()):
            pass
        health.begin_to_stop()
