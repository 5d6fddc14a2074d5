"""Whatever thread a signal arrives in, the main thread learns of it."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from symbolon_server.app.process.signals import ON_TERMINAL, STOP_NEAR, Signals

PATIENCE_SECONDS = 30.0


@pytest.fixture
def signals() -> Iterator[Signals]:
    with Signals() as opened:
        yield opened


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_stop_ends_the_wait(signals: Signals, number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
    assert signals.wait(PATIENCE_SECONDS)


def test_a_child_that_ends_ends_the_wait_without_a_stop(signals: Signals) -> None:
    os.kill(os.getpid(), signal.SIGCHLD)
    assert not signals.wait(PATIENCE_SECONDS)


def test_a_child_is_told_of_its_end_before_it_is_to_stop(signals: Signals) -> None:
    told: list[bool] = []
    signals.on_stop_near = lambda: told.append(True)
    os.kill(os.getpid(), STOP_NEAR)
    assert not signals.wait(PATIENCE_SECONDS)
    assert told == [True]


def test_each_of_several_signals_is_reported(signals: Signals) -> None:
    os.kill(os.getpid(), signal.SIGCHLD)
    os.kill(os.getpid(), signal.SIGTERM)
    assert [signals.wait(PATIENCE_SECONDS), signals.wait(PATIENCE_SECONDS)] == [False, True]


def test_a_wait_without_a_signal_ends_with_its_time(signals: Signals) -> None:
    assert not signals.wait(0.01)


def test_a_signal_that_arrives_in_another_thread_ends_the_wait(signals: Signals) -> None:
    """A server under load once served on after SIGTERM: its main thread was not woken."""
    is_waiting = threading.Event()

    def signal_own_thread() -> None:
        is_waiting.wait()
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    other = threading.Thread(target=signal_own_thread)
    other.start()
    is_waiting.set()
    assert signals.wait(PATIENCE_SECONDS)
    other.join()


def test_what_was_set_up_before_is_set_up_again() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Signals():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("number", ON_TERMINAL)
def test_a_command_on_a_terminal_is_stopped_by_its_end_too(number: int) -> None:
    with Signals(ON_TERMINAL) as signals:
        os.kill(os.getpid(), number)
        assert signals.wait(PATIENCE_SECONDS)
        assert signals.stopped_by == number
