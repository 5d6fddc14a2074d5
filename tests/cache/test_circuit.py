"""How long a server that failed is left alone."""

from redis import exceptions

from symbolon_server.cache.circuit import Circuit
from tests.cache.conftest import FakeClock


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


def test_a_server_that_reads_its_file_is_left_alone(fake_clock: FakeClock) -> None:
    circuit = Circuit(1.0, fake_clock)
    circuit.record(exceptions.BusyLoadingError())
    assert not circuit.lets_through()
