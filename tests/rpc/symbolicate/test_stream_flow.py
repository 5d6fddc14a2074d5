import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from symbolon_server.rpc.symbolicate.stream_flow import FlowLimits, StreamFlow


@pytest.fixture
def flow() -> StreamFlow:
    return StreamFlow(FlowLimits(max_requests=2, max_bytes=100))


def test_no_more_requests_are_taken_than_are_answered_and_sent(flow: StreamFlow) -> None:
    answers = flow.answers()
    with ThreadPoolExecutor() as threads:
        for _ in range(2):
            assert flow.wait_for_room()
            assert flow.take(1)
        third = threads.submit(flow.wait_for_room)
        flow.put(1, b"first")
        assert next(answers) == b"first"
        assert not third.done()  # sent once gRPC asks for the next one
        flow.put(1, b"second")
        assert next(answers) == b"second"
        assert third.result(30)


def test_a_large_request_is_taken_alone(flow: StreamFlow) -> None:
    with ThreadPoolExecutor() as threads:
        assert flow.take(100)
        second = threads.submit(flow.wait_for_room)
        flow.put(100, b"small")
        assert second.result(30)


def test_answers_of_many_bytes_are_sent_before_more_is_taken(flow: StreamFlow) -> None:
    answers = flow.answers()
    with ThreadPoolExecutor() as threads:
        assert flow.take(1)
        flow.put(1, b"large" * 20)
        second = threads.submit(flow.wait_for_room)
        assert next(answers) == b"large" * 20
        assert not second.done()
        flow.end()
        assert list(answers) == []
        assert second.result(30)


def test_after_the_last_request_the_stream_ends_with_the_last_answer(flow: StreamFlow) -> None:
    assert flow.take(1)
    assert flow.take(1)
    flow.end()
    flow.put(1, b"one")
    flow.put(1, b"two")
    assert list(flow.answers()) == [b"one", b"two"]
    assert not flow.is_cut_short


def test_a_stopped_stream_answers_what_it_has_taken_and_takes_no_more(flow: StreamFlow) -> None:
    assert flow.take(1)
    flow.stop()
    assert not flow.wait_for_room()
    assert not flow.take(1)
    flow.put(1, b"one")
    assert list(flow.answers()) == [b"one"]
    assert flow.is_cut_short


def test_closing_a_stream_stops_its_waits(flow: StreamFlow) -> None:
    let_go = threading.Event()
    with ThreadPoolExecutor() as threads, flow.waiting(let_go.set):
        assert flow.take(1)
        assert flow.take(1)
        sender = threads.submit(list, flow.answers())
        taker = threads.submit(flow.wait_for_room)
        flow.close()
        assert let_go.is_set()
        assert sender.result(30) == []
        assert not taker.result(30)


def test_a_wait_in_a_closed_stream_stops_at_once(flow: StreamFlow) -> None:
    flow.close()
    let_go = threading.Event()
    with flow.waiting(let_go.set):
        assert let_go.is_set()


def test_a_wait_that_is_over_is_not_stopped(flow: StreamFlow) -> None:
    let_go = threading.Event()
    with flow.waiting(let_go.set):
        pass
    flow.close()
    assert not let_go.is_set()


def test_many_threads_lose_no_answer_and_never_hold_more_than_they_may() -> None:
    limits = FlowLimits(max_requests=4, max_bytes=60)
    flow, number = StreamFlow(limits), 2_000
    held: list[tuple[int, int]] = []
    with ThreadPoolExecutor() as threads:

        def take_all() -> None:
            for index in range(number):
                assert flow.wait_for_room()
                held.append((flow._requests, flow._bytes))
                assert flow.take(10)
                threads.submit(flow.put, 10, b"%05d" % index * (1 + index % 5))
            flow.end()

        threads.submit(take_all)
        answers = list(flow.answers())
    assert sorted(answer[:5] for answer in answers) == [b"%05d" % index for index in range(number)]
    assert max(requests for requests, _ in held) < limits.max_requests
    assert max(held_bytes for _, held_bytes in held) < limits.max_bytes
    assert (flow._requests, flow._bytes) == (0, 0)
