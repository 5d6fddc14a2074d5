"""`symbolon-server serve`: starts everything, watches it and stops it in order."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace
from typing import NamedTuple

from symbolon_server import code_form
from symbolon_server.app import StartError
from symbolon_server.app.process.children import Child, allow_open_files
from symbolon_server.app.process.signals import Signals
from symbolon_server.app.programs.redis_and_worker import (
    RedisAndWorker,
    start_redis_and_worker,
    wants_worker,
)
from symbolon_server.app.programs.serve_children import ServerChildren, gateway_program
from symbolon_server.app.wiring.redis_connections import RedisServers, has_embedded
from symbolon_server.app.wiring.security import protection_of, tls_of
from symbolon_server.app.wiring.suppliers import sources_of
from symbolon_server.app.wiring.tracing import refuse_bad_tracing
from symbolon_server.rpc.access.forwarding import SECRET_VARIABLE, make_secret
from symbolon_server.rpc.access.protection import check_address
from symbolon_server.rpc.calls.addresses import ListenAddress, ListenError, check_port
from symbolon_server.settings import Settings
from symbolon_server.telemetry.logs import EventLog

_LOST_REDIS = 1

_log = EventLog(__name__)


def serve(settings: Settings, announce: Callable[[str], None]) -> int:
    """Serve until SIGTERM or SIGINT and return the exit code; raise `StartError`.

    Calls `announce` with one line as soon as calls are answered. Everything stops in the opposite
    order of its start: first calls, then the worker they may wait for, last the Redis servers.
    """
    _refuse_bad_settings(settings)
    allow_open_files(settings.open_files)
    with Signals() as signals, ExitStack() as started:
        first = start_redis_and_worker(settings, started)
        children = list(first.workers)
        secret = "" if settings.http is None else make_secret()
        serving = _start_serving(first, secret, children, started)
        address = serving.address
        settings_here = replace(first.settings, listen=address)
        http = _start_gateway(settings_here, secret, children, started)
        signals.on_hang_up = lambda: _hang_up(serving.reload, children)
        announce(_ready_line(settings, address, http))
        exit_code = _watch(signals, children, first.servers)
        first.health.begin_to_stop()
        serving.begin_to_stop()  # the gateway stops first, which may take long
        _log.info("stopping")
    _log.info("stopped")
    return exit_code


def _refuse_bad_settings(settings: Settings) -> None:
    """Raise `StartError` for bad settings, before anything is started."""
    sources_of(settings)  # raises for unusable ones
    refuse_bad_tracing(settings)
    try:
        protection = protection_of(settings)
        check_address(settings.listen, protection)
        check_port(settings.listen)
        if settings.http is not None:
            tls_of(settings)
            check_address(settings.http, protection)
            check_port(settings.http)
    except ListenError as error:
        raise StartError(str(error)) from error


class _Serving(NamedTuple):
    """What answers calls."""

    address: ListenAddress
    reload: Callable[[], None]
    """Reloads the files of this process."""

    begin_to_stop: Callable[[], None]
    """Lets health report NOT_SERVING."""


def _start_serving(
    first: RedisAndWorker, secret: str, children: list[Child], started: ExitStack
) -> _Serving:
    settings = first.settings
    if settings.processes == 1:
        # Imported here: a process that only watches others needs neither gRPC nor numpy.
        from symbolon_server.app.programs.server_process import (  # noqa: PLC0415 # see above
            start_server_process,
        )

        process, address = start_server_process(
            settings, is_port_shared=False, gateway_secret=secret
        )
        started.callback(process.stop)
        first.health.add("server", process.condition)
        return _Serving(address, process.reload, process.begin_to_stop)
    processes = ServerChildren(settings, {**first.metrics, SECRET_VARIABLE: secret})
    started.callback(processes.stop)
    children += processes.children
    for child in processes.children:
        first.health.add_child(child, takes_work=True)
    return _Serving(processes.address, _do_nothing, processes.begin_to_stop)


def _do_nothing() -> None:
    pass


def _hang_up(reload: Callable[[], None], children: Iterable[Child]) -> None:
    """Reload certificates and tokens, here and in all child programs."""
    reload()
    for child in children:
        child.hang_up()


def _start_gateway(
    settings: Settings, secret: str, children: list[Child], started: ExitStack
) -> ListenAddress | None:
    if settings.http is None:
        return None
    child, address = started.enter_context(gateway_program(settings, settings.http, secret))
    children.append(child)
    return address


def _ready_line(settings: Settings, address: ListenAddress, http: ListenAddress | None) -> str:
    redis = "embedded Redis" if has_embedded(settings) else "given Redis servers"
    count = settings.processes
    processes = f"{count} process" + ("es" if count > 1 else "")
    worker = "a local worker" if wants_worker(settings) else "no local worker"
    parts = [processes, f"{code_form()} modules", redis, worker]
    if http is not None:
        parts.append(f"HTTP on {http}")
    return f"symbolon-server is ready on {address} ({', '.join(parts)})"


def _watch(signals: Signals, children: Iterable[Child], redis_servers: RedisServers) -> int:
    """Restart children that end, until the process is to stop; return the exit code."""
    while True:
        pauses = [child.revive() for child in children]
        if redis_servers.find_dead():
            _log.error("embedded_redis_ended")
            return _LOST_REDIS
        if signals.wait(min((pause for pause in pauses if pause is not None), default=None)):
            return 0
