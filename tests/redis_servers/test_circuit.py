"""How long a failed server gets no requests."""

import pytest
from redis import exceptions

from symbolon_server.redis_servers.circuit import Circuit
from tests.fixtures.redis_fixtures import FakeClock


def test_a_server_that_answers_gets_all_requests(fake_clock: FakeClock) -> None:
    circuit = Circuit(clock=fake_clock)
    for _ in range(3):
        assert circuit.lets_through()
        circuit.record(None)


def test_a_server_that_failed_gets_no_requests_during_the_pause(fake_clock: FakeClock) -> None:
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


def test_one_success_closes_the_circuit(fake_clock: FakeClock) -> None:
    circuit = Circuit(1.0, fake_clock)
    circuit.record(exceptions.TimeoutError())
    fake_clock.now += 1.0
    assert circuit.lets_through()
    circuit.record(None)
    assert [circuit.lets_through() for _ in range(3)] == [True, True, True]


def test_a_server_that_refuses_a_command_is_not_lost(fake_clock: FakeClock) -> None:
    circuit = Circuit(1.0, fake_clock)
    circuit.record(exceptions.OutOfMemoryError())
    circuit.record(exceptions.ReadOnlyError())
    assert circuit.lets_through()


def test_the_loss_and_recovery_of_a_server_are_logged_once_each(
    fake_clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    circuit = Circuit(1.0, fake_clock, server="store")
    for error in (None, exceptions.TimeoutError(), exceptions.ConnectionError(), None, None):
        circuit.record(error)
    assert [record.getMessage() for record in caplog.records] == ["redis_lost", "redis_back"]


def test_a_server_that_loads_its_file_gets_no_requests(fake_clock: FakeClock) -> None:
    circuit = Circuit(1.0, fake_clock)
    circuit.record(exceptions.BusyLoadingError())
    assert not circuit.lets_through()
