"""`symbolon-server symbolicate`: answers reports by a server of its own, which ends with it."""

import argparse
import sys
from contextlib import ExitStack
from dataclasses import replace

from symbolon.command_line.commands.symbolicate import open_reports
from symbolon.command_line.parsers import MAX_SECONDS, report_errors
from symbolon.command_line.showing.fetches import WatchingClient
from symbolon_server.app import StartError
from symbolon_server.app.process.collector import pause_collector
from symbolon_server.app.process.interruptions import Interruptions
from symbolon_server.app.process.umask import private_files
from symbolon_server.app.programs.redis_and_worker import RedisAndWorker, start_redis_and_worker
from symbolon_server.app.wiring.suppliers import DEBUGINFOD_URLS, sources_of
from symbolon_server.rpc.calls.addresses import ListenAddress
from symbolon_server.settings import INGEST_GROUPS, InvalidSettingsError, Settings
from symbolon_server.settings.table import rows

_LOG_SETTINGS = frozenset({"log_format", "log_level"})
_SOCKET = "grpc"
_NO_SUPPLIERS = (
    "there is no supplier of symbol files: name directories or URLs, as in --suppliers symbols or "
    f"--suppliers https://symbols.example, or in SYMBOLON_SUPPLIERS or {DEBUGINFOD_URLS}"
)


def symbolicate(settings: Settings, options: argparse.Namespace) -> int:
    """Print or write the answers to the reports of `options.file`; return the exit code.

    Starts what `serve` embeds once the input is read, and stops it before it returns or raises,
    also after SIGINT, SIGTERM and SIGHUP. Raises `StartError`, and `InvalidSettingsError` without
    a supplier.
    """
    if not sources_of(settings):
        raise InvalidSettingsError((_NO_SUPPLIERS,))
    interruptions = Interruptions()
    code = report_errors(lambda: _answer(settings, options, interruptions), "symbolon-server")
    return interruptions.exit_code or code


def _answer(settings: Settings, options: argparse.Namespace, interruptions: Interruptions) -> int:
    is_shown, options.progress = options.progress, False  # what is fetched, not what is read
    options.processes = 1
    with open_reports(options) as answer, interruptions, ExitStack() as started:
        target, parts = _start(_make_private(settings), started)
        interruptions.find_trouble = lambda: _find_trouble(parts)
        client = WatchingClient(target, timeout=MAX_SECONDS, is_shown=is_shown)
        with interruptions.allowed(), client:
            code = answer(client)
            sys.stdout.flush()
        return code


def _make_private(settings: Settings) -> Settings:
    """Return the settings of a server that is no one else's: nothing in them is another's, too."""
    kept = {
        row.name: getattr(settings, row.name)
        for row in rows()
        if row.group in INGEST_GROUPS or row.name in _LOG_SETTINGS
    }
    own = {
        "max_wait_seconds": MAX_SECONDS,
        "one_core": False,
        "reflection": False,
        "shutdown_grace_seconds": 0.0,
        "worker": True,
        "worker_stop_seconds": 0.0,
    }
    return Settings(**(kept | own))


def _start(settings: Settings, started: ExitStack) -> tuple[str, RedisAndWorker]:
    """Start everything; return the target of calls, a Unix socket, and what a call needs."""
    pause_collector()
    with private_files():  # but the answers: the user's umask is for them
        parts = start_redis_and_worker(settings, started, is_private=True)
        # Imported here, while the worker starts.
        from symbolon_server.app.programs.server_process import (  # noqa: PLC0415 # see above
            start_server_process,
        )

        listen = ListenAddress.at_socket(parts.servers.find_folder() / _SOCKET)
        process, _ = start_server_process(
            replace(parts.settings, listen=listen), is_port_shared=False, gateway_secret=""
        )
    started.callback(process.stop)
    return str(listen), parts


def _find_trouble(parts: RedisAndWorker) -> StartError | None:
    """Return why calls would wait in vain, or None."""
    if parts.servers.find_dead():
        return StartError("an embedded Redis server ended unexpectedly")
    if not all(worker.is_running() for worker in parts.workers):
        return StartError("the worker ended unexpectedly")
    return None
