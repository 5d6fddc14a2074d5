"""Signals end a command where that leaves nothing half done, and nowhere else."""

import os
import signal
from collections.abc import Iterator

import pytest

from symbolon_server.app import StartError
from symbolon_server.app.process.interruptions import Interruptions

STOP = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture
def interruptions() -> Iterator[Interruptions]:
    with Interruptions() as opened:
        yield opened


@pytest.mark.parametrize("number", STOP)
def test_a_signal_to_stop_raises_where_it_may(
    interruptions: Interruptions, number: signal.Signals
) -> None:
    with pytest.raises(KeyboardInterrupt), interruptions.allowed():
        os.kill(os.getpid(), number)
    assert interruptions.exit_code == 128 + number


def test_an_earlier_signal_raises_as_soon_as_it_may(interruptions: Interruptions) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    reached = []
    with pytest.raises(KeyboardInterrupt), interruptions.allowed():
        reached.append("what would have to be stopped")
    assert reached == []


def test_a_later_signal_does_not_disturb_the_end(interruptions: Interruptions) -> None:
    with interruptions.allowed():
        pass
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    assert interruptions.exit_code == 128 + signal.SIGINT


def test_without_a_signal_there_is_no_exit_code(interruptions: Interruptions) -> None:
    with interruptions.allowed():
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGCHLD)
    assert interruptions.exit_code is None


def test_the_end_of_a_child_raises_what_is_wrong(interruptions: Interruptions) -> None:
    interruptions.find_trouble = lambda: StartError("the worker ended")
    os.kill(os.getpid(), signal.SIGCHLD)  # does not raise here
    with pytest.raises(StartError, match="the worker ended"), interruptions.allowed():
        pytest.fail("it had ended before")


def test_the_end_of_a_child_that_is_not_needed_raises_nothing(interruptions: Interruptions) -> None:
    asked = []
    interruptions.find_trouble = lambda: asked.append("whether all is well")
    with interruptions.allowed():
        os.kill(os.getpid(), signal.SIGCHLD)
    assert len(asked) == 2


def test_an_ignored_signal_stays_ignored_as_under_nohup() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruptions() as interruptions, interruptions.allowed():
            os.kill(os.getpid(), signal.SIGHUP)
        assert interruptions.exit_code is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_was_set_up_before_is_set_up_again() -> None:
    numbers = (*STOP, signal.SIGCHLD, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in numbers]
    with Interruptions():
        assert signal.getsignal(signal.SIGTERM) is not before[1]
    assert [signal.getsignal(number) for number in numbers] == before
