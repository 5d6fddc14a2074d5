"""Spans that wait to be sent."""

from collections.abc import Callable, Sequence
from threading import Event

import pytest

from symbolon_server.telemetry.metrics import SPANS
from symbolon_server.telemetry.tracing.outbox import (
    BATCH,
    CLOSE_SECONDS,
    MOST_WAITING,
    PAUSE_SECONDS,
    Outbox,
    SendingThread,
    Sent,
)
from symbolon_server.telemetry.tracing.spans import EndedSpan
from tests.fixtures.redis_fixtures import FakeClock

WAIT_SECONDS = 60.0


def span(number: int) -> EndedSpan:
    return EndedSpan("span", 0, 1, number + 1, 0, 0, 1, {}, "")


class ScriptedExporter:
    """Answers as the test says."""

    def __init__(self) -> None:
        self.answer = Sent.TAKEN
        self.batches: list[Sequence[EndedSpan]] = []
        self.on_send: Callable[[], object] = lambda: None

    def send(self, spans: Sequence[EndedSpan]) -> Sent:
        self.batches.append(spans)
        self.on_send()
        return self.answer


@pytest.fixture
def exporter() -> ScriptedExporter:
    return ScriptedExporter()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(0.0)


def count(result: str) -> float:
    return float(SPANS.labels(result)._value.get())


def fill(outbox: Outbox, spans: int) -> None:
    for number in range(spans):
        outbox.add(span(number))


def test_spans_are_sent_in_batches_in_their_order(exporter: ScriptedExporter) -> None:
    outbox, before = Outbox(exporter), count("sent")
    fill(outbox, BATCH + 1)
    assert outbox.has_batch()
    assert outbox.batch_is_full.is_set()
    outbox.send()
    assert list(map(len, exporter.batches)) == [BATCH, 1]
    assert [one for batch in exporter.batches for one in batch] == list(map(span, range(BATCH + 1)))
    assert count("sent") - before == BATCH + 1
    assert not outbox.has_batch()


def test_what_an_exporter_fails_with_is_lost_and_counted(exporter: ScriptedExporter) -> None:
    def fail() -> None:
        raise ValueError("a defect")

    outbox, before = Outbox(exporter), count("lost")
    fill(outbox, 3)
    exporter.on_send = fail
    with pytest.raises(ValueError, match="a defect"):
        outbox.send()
    assert count("lost") - before == 3


def test_what_does_not_fit_is_lost_and_counted(exporter: ScriptedExporter) -> None:
    outbox, before = Outbox(exporter), count("lost")
    fill(outbox, MOST_WAITING + 3)
    assert count("lost") - before == 3
    outbox.send()
    assert sum(map(len, exporter.batches)) == MOST_WAITING


def test_spans_survive_a_collector_that_is_down_and_it_is_left_alone(
    exporter: ScriptedExporter, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox(exporter, clock)
    fill(outbox, 2)
    exporter.answer = Sent.UNREACHED
    outbox.send()
    outbox.send()
    assert len(exporter.batches) == 1
    clock.now += PAUSE_SECONDS
    outbox.send()
    exporter.answer = Sent.TAKEN
    clock.now += PAUSE_SECONDS
    with caplog.at_level("INFO"):
        outbox.send()
    assert exporter.batches == [[span(0), span(1)]] * 3
    assert [record.message for record in caplog.records] == ["collector_lost", "collector_back"]


def test_what_the_collector_refuses_is_lost(exporter: ScriptedExporter) -> None:
    outbox, before = Outbox(exporter), count("lost")
    fill(outbox, 2)
    exporter.answer = Sent.REFUSED
    outbox.send()
    outbox.send_last()
    assert len(exporter.batches) == 1
    assert count("lost") - before == 2


def test_the_last_spans_are_tried_once_even_if_the_collector_failed_a_moment_ago(
    exporter: ScriptedExporter, clock: FakeClock
) -> None:
    outbox, before = Outbox(exporter, clock), count("lost")
    fill(outbox, 2)
    exporter.answer = Sent.UNREACHED
    outbox.send()
    outbox.send_last()
    assert len(exporter.batches) == 2
    assert count("lost") - before == 2


def test_a_slow_collector_does_not_keep_a_program_from_ending(
    exporter: ScriptedExporter, clock: FakeClock
) -> None:
    outbox, before = Outbox(exporter, clock), count("lost")
    fill(outbox, 3 * BATCH)

    def take_long() -> None:
        clock.now += CLOSE_SECONDS * 0.6

    exporter.on_send = take_long
    outbox.send_last()
    assert len(exporter.batches) == 2
    assert count("lost") - before == BATCH


def test_a_thread_sends_a_full_batch_and_what_is_left_at_the_end(
    exporter: ScriptedExporter,
) -> None:
    outbox, sent = Outbox(exporter), Event()
    exporter.on_send = sent.set
    thread = SendingThread(outbox)
    thread.start()
    fill(outbox, BATCH)
    assert sent.wait(WAIT_SECONDS)
    outbox.add(span(7))
    thread.close()
    assert [one for batch in exporter.batches for one in batch][-1] == span(7)
    assert sum(map(len, exporter.batches)) == BATCH + 1


def test_a_collector_that_hangs_delays_the_end_of_a_thread_for_seconds_only(
    exporter: ScriptedExporter,
) -> None:
    outbox, before = Outbox(exporter), count("lost")
    began, release = Event(), Event()

    def hang() -> None:
        began.set()
        release.wait(WAIT_SECONDS)

    exporter.on_send = hang
    thread = SendingThread(outbox)
    thread.start()
    fill(outbox, BATCH)
    assert began.wait(WAIT_SECONDS)
    outbox.add(span(7))
    thread.close()
    assert not release.is_set()
    assert count("lost") - before == 1
    release.set()
