"""Signals that end other programs and that ours ignore, with a line in the log."""

import signal

from symbolon_server.telemetry.logs import EventLog

IGNORED = signal.SIGUSR1, signal.SIGUSR2
"""Nothing of ours sends them; a person may, by mistake or out of habit."""

HARMLESS = signal.SIGHUP, *IGNORED
"""None of these ends a program of ours."""

_log = EventLog(__name__)


def ignore_until_ready() -> None:
    """Survive those signals while a program starts, before it can do anything about them."""
    for number in HARMLESS:
        signal.signal(number, signal.SIG_IGN)


def log_ignored(number: int) -> None:
    """Say that a signal arrived and that nothing comes of it."""
    _log.info("signal_ignored", signal=signal.Signals(number).name)
