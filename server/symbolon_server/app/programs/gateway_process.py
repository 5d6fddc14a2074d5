"""One process that answers HTTP requests."""

import os
import resource
import sys
from concurrent.futures import ThreadPoolExecutor

from symbolon_server.app import StartError
from symbolon_server.app.process.children import report_ready
from symbolon_server.app.process.collector import resume_collector
from symbolon_server.app.process.reserved_port import allow_restart, bind_shared
from symbolon_server.app.wiring.security import protection_of, tls_of
from symbolon_server.app.wiring.tracing import traced
from symbolon_server.gateway.http_server import HttpOptions, serve_http
from symbolon_server.gateway.reading import BodyLimits
from symbolon_server.gateway.symbolicating import Symbolicating
from symbolon_server.gateway.web_app import Gateway, GatewayOptions, Threads
from symbolon_server.rpc.access.forwarding import SECRET_VARIABLE
from symbolon_server.rpc.access.tokens import Tokens
from symbolon_server.rpc.calls.own_client import OwnClients
from symbolon_server.rpc.calls.reloaded import Reloaded
from symbolon_server.settings import Settings
from symbolon_server.telemetry.software import software_version

_CONNECTIONS_PER_PROCESS = 4
"""The kernel spreads connections over serving processes: with several, few processes get none."""

CONNECTIONS_PER_REQUEST = 8
"""Open for each request in progress: clients and proxies keep connections that they do not use."""

_READERS = 2
_WATCHERS = 2
_TURN_SECONDS = 0.001
"""For which a thread that reads or writes a large body keeps the others waiting: a fifth
of Python's own, since a call takes several turns."""

PATIENCE_SECONDS = 5.0
"""Time for an answer after the longest wait."""


def run_gateway(settings: Settings) -> None:
    """Serve until SIGTERM."""
    sys.setswitchinterval(_TURN_SECONDS)
    timeout = settings.max_wait_seconds + PATIENCE_SECONDS
    count = settings.processes * _CONNECTIONS_PER_PROCESS if settings.processes > 1 else 1
    with (
        OwnClients(settings.listen, tls_of(settings), count, timeout) as clients,
        ThreadPoolExecutor(_READERS) as readers,
        ThreadPoolExecutor(settings.threads) as callers,
        ThreadPoolExecutor(_WATCHERS) as watchers,
    ):
        threads = Threads(readers, callers, watchers)
        tokens = protection_of(settings).tokens
        options = _options_of(settings, tokens, timeout)
        secret = os.environ.get(SECRET_VARIABLE, "")
        with traced(settings, "symbolon-gateway") as tracer:
            symbolicating = Symbolicating(clients.take, secret)
            gateway = Gateway(symbolicating, options, threads, tracer)
            _serve(settings, gateway, tokens, clients.files)


def _options_of(settings: Settings, tokens: Tokens | None, answer_seconds: float) -> GatewayOptions:
    own_names = [settings.http.host] if settings.http else []
    if settings.http_server_name is not None:
        own_names.append(settings.http_server_name)
    return GatewayOptions(
        max_body_bytes=settings.max_request_bytes,
        limits=BodyLimits(settings.max_modules, settings.max_frames),
        answer_seconds=answer_seconds,
        hosts=(*settings.http_hosts, *own_names),
        origins=settings.http_origins,
        version=software_version(),
        source_links=dict(link.split("=", 1) for link in settings.http_source_links),
        is_known=None if tokens is None else lambda token: tokens.find(token) is not None,
        max_calls=settings.threads,
        max_requests=settings.max_calls_in_flight,
    )


def _serve(
    settings: Settings, gateway: Gateway, tokens: Tokens | None, followed: Reloaded[None] | None
) -> None:
    if settings.http is None:
        raise StartError("SYMBOLON_HTTP is off")
    options = HttpOptions(
        _most_connections(settings),
        settings.shutdown_grace_seconds,
        settings.tls_cert,
        settings.tls_key,
        settings.tls_client_ca,
    )
    with bind_shared(settings.http) as port:
        allow_restart(port)
        reload = _do_nothing if tokens is None else tokens.read_again
        serve_http(gateway.web_app(), port, options, _report_ready, reload, followed=followed)


def _most_connections(settings: Settings) -> int:
    """Return how many connections may be open: at most half of the descriptors are for them."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(settings.max_calls_in_flight * CONNECTIONS_PER_REQUEST, descriptors // 2)


def _report_ready() -> None:
    resume_collector(is_rare=True)
    report_ready()


def _do_nothing() -> None:
    pass
