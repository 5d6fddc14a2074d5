"""`symbolon-server symbolicate`: answers reports by a server of its own, which ends with it."""

import argparse
import os
import signal
import sys
from collections.abc import Collection
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import replace
from threading import Thread

from symbolon import Client
from symbolon.command_line.commands.symbolicate import Answer, open_reports
from symbolon.command_line.parsers import MAX_SECONDS, SERVER_TROUBLE, report_errors
from symbolon.command_line.showing.fetches import WatchingClient
from symbolon_server.app.process.collector import pause_collector
from symbolon_server.app.process.signals import ON_TERMINAL, Signals
from symbolon_server.app.process.umask import private_files
from symbolon_server.app.programs.redis_and_worker import RedisAndWorker, start_redis_and_worker
from symbolon_server.app.wiring.suppliers import DEBUGINFOD_URLS, sources_of
from symbolon_server.rpc.calls.addresses import ListenAddress
from symbolon_server.settings import INGEST_GROUPS, InvalidSettingsError, Settings
from symbolon_server.settings.table import rows
from symbolon_server.telemetry.logs import EventLog

_PROGRAM = "symbolon-server"
_BASE_CODE = 128
"""Shells add the number of a signal to it."""

_PATIENCE_SECONDS = 2.0
"""Time for the answers to notice that nothing more will come."""

_LOG_SETTINGS = frozenset({"log_format", "log_level"})
_SOCKET = "grpc"
_NO_SUPPLIERS = (
    "there is no supplier of symbol files: name directories or URLs, as in --suppliers symbols or "
    f"--suppliers https://symbols.example, or in SYMBOLON_SUPPLIERS or {DEBUGINFOD_URLS}"
)

_log = EventLog(__name__)


def symbolicate(settings: Settings, options: argparse.Namespace) -> int:
    """Print or write the answers to the reports of `options.file`; return the exit code.

    Starts what `serve` embeds once the input is read, and stops it before it returns or raises,
    also after SIGINT, SIGTERM and SIGHUP. Raises `StartError`, and `InvalidSettingsError` without
    a supplier.
    """
    if not sources_of(settings):
        raise InvalidSettingsError((_NO_SUPPLIERS,))
    return report_errors(lambda: _answer(settings, options), _PROGRAM)


def _answer(settings: Settings, options: argparse.Namespace) -> int:
    is_shown, options.progress = options.progress, False  # what is fetched, not what is read
    options.processes = 1
    with open_reports(options) as answer:
        with Signals(_stop_signals()) as signals, ExitStack() as started:
            target, parts = _start(_make_private(settings), started)
            client = WatchingClient(target, timeout=MAX_SECONDS, is_shown=is_shown)
            answering = _Answering(answer, client)
            code = _watch(signals, parts, answering)
            client.close()
            answering.join(_PATIENCE_SECONDS)
        if code is None:
            return answering.result()
        if signals.stopped_by is not None:
            sys.stderr.write(f"{_PROGRAM}: interrupted\n")
        if answering.is_alive():
            # It waits for standard input, say; closing that would wait for it.
            sys.stderr.flush()
            os._exit(code)
        return code


class _Answering(Thread):
    """Answers in a thread of its own.

    An exception by a signal could reach gRPC while it begins a call, whose channel could not be
    closed any more.
    """

    def __init__(self, answer: Answer, client: Client) -> None:
        """Begin to write the answers; at the end, wake the main thread by SIGCHLD."""
        super().__init__(daemon=True)
        self._answer = answer
        self._client = client
        self._result: Future[int] = Future()
        self.start()

    def run(self) -> None:
        """Write the answers."""
        try:
            code = self._answer(self._client)
            sys.stdout.flush()
        except Exception as error:  # noqa: BLE001 # raised by `result`
            self._result.set_exception(error)
        else:
            self._result.set_result(code)
        os.kill(os.getpid(), signal.SIGCHLD)

    def is_done(self) -> bool:
        """Return whether the answers are written, or cannot be."""
        return self._result.done()

    def result(self) -> int:
        """Return the exit code, or raise what prevented the answers."""
        return self._result.result()


def _stop_signals() -> Collection[int]:
    """Return the signals that end the command; under nohup it outlives its terminal."""
    is_left_alone = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return ON_TERMINAL - {signal.SIGHUP} if is_left_alone else ON_TERMINAL


def _watch(signals: Signals, parts: RedisAndWorker, answering: _Answering) -> int | None:
    """Restart a worker that ends, until the answers are written.

    Returns the exit code if something ends the command before, else None.
    """
    while not answering.is_done():
        pauses = [worker.revive() for worker in parts.workers]
        if parts.servers.find_dead():
            _log.error("embedded_redis_ended")
            return SERVER_TROUBLE
        if signals.wait(min((pause for pause in pauses if pause is not None), default=None)):
            return _BASE_CODE + (signals.stopped_by or 0)
    return None


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
