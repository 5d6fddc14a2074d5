"""`symbolon-server serve`: everything that runs, from start to orderly stop."""

import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from symbolon_server.app.children import Child
from symbolon_server.app.errors import StartError
from symbolon_server.app.parts import suppliers_of
from symbolon_server.app.redis_servers import RedisServers, has_embedded, refuse_bad_setup
from symbolon_server.app.serving_process import ServingProcess
from symbolon_server.app.serving_processes import ServingProcesses
from symbolon_server.app.signals import Signals
from symbolon_server.rpc.addresses import ListenAddress
from symbolon_server.rpc.server import ListenError, check_address, check_port
from symbolon_server.settings import Settings
from symbolon_server.telemetry.endpoint import (
    MULTIPROCESS_FOLDER_VARIABLE,
    MetricsEndpoint,
    registry_of_processes,
)
from symbolon_server.telemetry.logs import EventLog
from symbolon_server.telemetry.metrics import REGISTRY

_LOST_REDIS = 1
_PATIENCE_SECONDS = 5.0
"""For a worker to end after its own time for that."""

_log = EventLog(__name__)


def serve(settings: Settings, announce: Callable[[str], None]) -> int:
    """Serve until SIGTERM or SIGINT and return the exit code; raise `StartError`.

    `announce` is called with one line when calls are answered. What was started stops in the
    opposite order: first the calls, then the worker they may wait for, last the Redis servers.
    """
    _refuse_bad_settings(settings)
    with Signals() as signals, ExitStack() as started:
        redis_servers = RedisServers(settings)
        started.callback(redis_servers.close)
        refuse_bad_setup(redis_servers.settings)
        children = _start_worker(settings, redis_servers.settings, started)
        address = _start_serving(redis_servers.settings, children, started)
        announce(_ready_line(settings, address, has_worker=_wants_worker(settings)))
        exit_code = _watch(signals, children, redis_servers)
        _log.info("stopping")
    _log.info("stopped")
    return exit_code


def _refuse_bad_settings(settings: Settings) -> None:
    """Raise `StartError` for what is wrong anyway, before anything is started."""
    suppliers_of(settings)
    try:
        check_address(settings.listen, settings.allow_insecure_public)
        check_port(settings.listen)
    except ListenError as error:
        raise StartError(str(error)) from error


def _wants_worker(settings: Settings) -> bool:
    return has_embedded(settings) if settings.worker is None else settings.worker


def _start_worker(asked: Settings, running: Settings, started: ExitStack) -> list[Child]:
    if not _wants_worker(asked):
        return []
    # The metrics' address is the server's own.
    environment = replace(running, metrics_listen=None).as_environment()
    worker = Child("worker", ["symbolon_server", "worker"], {**os.environ, **environment})
    started.callback(worker.stop, running.worker_stop_seconds + _PATIENCE_SECONDS)
    return [worker]


def _start_serving(settings: Settings, children: list[Child], started: ExitStack) -> ListenAddress:
    if settings.processes == 1:
        _start_metrics(settings, None, started)
        process = ServingProcess(settings, is_port_shared=False)
        address = process.start()
        started.callback(process.stop)
        return address
    folder = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="symbolon-metrics-")))
    _start_metrics(settings, folder, started)
    environment = {MULTIPROCESS_FOLDER_VARIABLE: str(folder)} if settings.metrics_listen else {}
    processes = ServingProcesses(settings, environment)
    started.callback(processes.stop)
    children += processes.children
    return processes.address


def _start_metrics(settings: Settings, folder: Path | None, started: ExitStack) -> None:
    if settings.metrics_listen is None:
        return
    listen = settings.metrics_listen
    registry = REGISTRY if folder is None else registry_of_processes(folder)
    try:
        endpoint = MetricsEndpoint(listen.host, listen.port, registry)
    except OSError as error:
        raise StartError(f"cannot serve metrics on {listen}: {error.strerror}") from error
    started.enter_context(endpoint)
    _log.info("metrics_served", address=str(ListenAddress(listen.host, endpoint.port)))


def _ready_line(settings: Settings, address: ListenAddress, *, has_worker: bool) -> str:
    redis = "embedded Redis" if has_embedded(settings) else "given Redis servers"
    count = settings.processes
    processes = f"{count} process" + ("es" if count > 1 else "")
    worker = "a local worker" if has_worker else "no local worker"
    return f"symbolon-server is ready on {address} ({processes}, {redis}, {worker})"


def _watch(signals: Signals, children: Iterable[Child], redis_servers: RedisServers) -> int:
    """Start again what ends, until the process is to stop; return the exit code."""
    while True:
        pauses = [child.revive() for child in children]
        if redis_servers.find_dead():
            _log.error("embedded_redis_ended")
            return _LOST_REDIS
        if signals.wait(min((pause for pause in pauses if pause is not None), default=None)):
            return 0
