"""What is started before the serving processes, and stopped after them."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import NamedTuple

from symbolon_server.app.process.children import Child
from symbolon_server.app.process.program_health import ProgramHealth
from symbolon_server.app.programs.worker_child import worker_program
from symbolon_server.app.wiring.metrics_server import serve_metrics
from symbolon_server.app.wiring.redis_connections import (
    RedisServers,
    has_embedded,
    refuse_bad_setup,
)
from symbolon_server.settings import Settings


class RedisAndWorker(NamedTuple):
    """Both Redis servers, the worker and the metrics of all child programs."""

    servers: RedisServers
    workers: list[Child]
    """The local worker, if there is one."""

    metrics: Mapping[str, str]
    """The environment of child programs that makes them count, see `serve_metrics`."""

    health: ProgramHealth
    """Of the whole program; who starts serving processes adds them."""

    @property
    def settings(self) -> Settings:
        """The settings, with the URLs of the Redis servers that run."""
        return self.servers.settings


def wants_worker(settings: Settings) -> bool:
    """Return whether a local worker belongs to the server."""
    return has_embedded(settings) if settings.worker is None else settings.worker


def start_redis_and_worker(
    settings: Settings, started: ExitStack, *, is_private: bool = False
) -> RedisAndWorker:
    """Start them, to be stopped in the opposite order by `started`; raise `StartError`.

    If `is_private`, embedded Redis servers leave nothing behind.
    """
    servers = RedisServers(settings, is_private=is_private)
    started.callback(servers.close)
    refuse_bad_setup(servers.settings)
    health = ProgramHealth()
    metrics = started.enter_context(serve_metrics(settings.metrics_listen, health))
    workers = []
    if wants_worker(settings):
        worker = started.enter_context(worker_program(servers.settings, metrics))
        health.add_child(worker, takes_work=False)
        workers.append(worker)
    return RedisAndWorker(servers, workers, metrics, health)
