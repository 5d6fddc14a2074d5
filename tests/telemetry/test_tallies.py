"""Each note of a call is added to the metrics once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client import CollectorRegistry, Counter

from symbolon_server.telemetry.tallies import MOST_NOTED, BeforeReading, Tally

THREADS = 8
EACH = 5 * MOST_NOTED


@pytest.fixture
def before_reading() -> BeforeReading:
    return BeforeReading()


def test_notes_are_added_when_the_metrics_are_read(before_reading: BeforeReading) -> None:
    added: list[int] = []
    tally = Tally(added.extend, before_reading)
    tally.note(1)
    tally.note(2)
    assert added == []
    before_reading.call_all()
    before_reading.call_all()
    assert added == [1, 2]


def test_a_registry_includes_pending_notes(before_reading: BeforeReading) -> None:
    registry = CollectorRegistry(auto_describe=True)
    registry.register(before_reading)
    counter = Counter("notes", "Notes.", registry=registry)
    tally = Tally[int](lambda notes: counter.inc(len(notes)), before_reading)
    tally.note(1)
    assert registry.get_sample_value("notes_total") == 1


def test_unread_notes_do_not_accumulate(before_reading: BeforeReading) -> None:
    added: list[int] = []
    tally = Tally(added.extend, before_reading)
    for number in range(MOST_NOTED + 1):
        tally.note(number)
    assert added == list(range(MOST_NOTED + 1))


def test_each_note_of_concurrent_threads_is_added_once(before_reading: BeforeReading) -> None:
    added: list[list[int]] = []
    tally = Tally(added.append, before_reading)
    together = threading.Barrier(THREADS)

    def note_all(thread: int) -> None:
        together.wait()
        for number in range(EACH):
            tally.note(thread * EACH + number)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(note_all, range(THREADS)))
    before_reading.call_all()
    assert sorted(number for some in added for number in some) == list(range(THREADS * EACH))


def test_a_removed_function_is_not_called(before_reading: BeforeReading) -> None:
    called: list[int] = []

    def call() -> None:
        called.append(1)

    before_reading.add(call)
    before_reading.remove(call)
    before_reading.call_all()
    assert not called
