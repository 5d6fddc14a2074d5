"""How long a server that failed is left alone."""

import pytest
from redis import exceptions

from symbolon_server.redis_servers.circuit import Circuit
from tests.fixtures.redis_fixtures import FakeClock


def test_a_server_that_answers_is_always_asked(fake_clock: FakeClock) -> None:
    circuit = Circuit(clock=fake_clock)
    for _ in range(3):
        assert circuit.lets_through()
        circuit.record(None)


def test_a_server_that_failed_is_left_alone_for_the_pause(fake_clock: FakeClock) -> None:
    circuit = Circuit(1.0, fake_clock)
    circuit.record(exceptions.ConnectionError())
    assert not circuit.lets_through()
    fake_clock.now += 0.99
    assert not circuit.lets_through()
    fake_clock.now += 0.01
    assert circuit.lets_through()


def test_after_the_pause_one_caller_tries_while_the_others_wait(fake_clock: FakeClock) -> None:
    circuit = Circuit(1.0, fake_clock)
    circuit.record(exceptions.TimeoutError())
    fake_clock.now += 1.0
    assert [circuit.lets_through() for _ in range(3)] == [True, False, False]


def test_one_good_answer_lets_everybody_through_again(fake_clock: FakeClock) -> None:
    circuit = Circuit(1.0, fake_clock)
    circuit.record(exceptions.TimeoutError())
    fake_clock.now += 1.0
    assert circuit.lets_through()
    circuit.record(None)
    assert [circuit.lets_through() for _ in range(3)] == [True, True, True]


def test_a_server_that_refuses_a_command_is_there(fake_clock: FakeClock) -> None:
    circuit = Circuit(1.0, fake_clock)
    circuit.record(exceptions.OutOfMemoryError())
    circuit.record(exceptions.ReadOnlyError())
    assert circuit.lets_through()


def test_losing_a_server_and_having_it_back_is_a_line_each_in_the_log(
    fake_clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    circuit = Circuit(1.0, fake_clock, server="store")
    for error in (None, exceptions.TimeoutError(), exceptions.ConnectionError(), None, None):
        circuit.record(error)
    assert [record.getMessage() for record in caplog.records] == ["redis_lost", "redis_back"]


def test_a_server_that_reads_its_file_is_left_alone(fake_clock: FakeClock) -> None:
    circuit = Circuit(1.0, fake_clock)
    circuit.record(exceptions.BusyLoadingError())
    assert not circuit.lets_through()
