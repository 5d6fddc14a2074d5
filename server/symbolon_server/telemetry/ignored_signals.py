"""Signals that our programs ignore, with a line in the log, instead of being terminated."""

import signal

from symbolon_server.telemetry.logs import EventLog

IGNORED = signal.SIGUSR1, signal.SIGUSR2
"""Our programs never send them; operators may, by mistake or out of habit."""

HARMLESS = signal.SIGHUP, *IGNORED
"""None of these terminates our programs."""

_log = EventLog(__name__)


def ignore_until_ready() -> None:
    """Ignore these signals during startup, before a program installs its handlers."""
    for number in HARMLESS:
        signal.signal(number, signal.SIG_IGN)


def log_ignored(number: int) -> None:
    """Log that a signal arrived and was ignored."""
    _log.info("signal_ignored", signal=signal.Signals(number).name)
