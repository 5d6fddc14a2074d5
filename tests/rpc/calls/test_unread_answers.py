"""Unread answers are bounded and do not affect other callers."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import grpc
import pytest

from symbolon.v1.module_service_pb2 import GetModuleRequest, GetModuleResponse
from symbolon_server.rpc.calls.unread_answers import CALL_BYTES, SLOW_SECONDS, UnreadAnswers
from tests.fixtures.http2_peer import http2_peer
from tests.rpc.access.protected import GET_MODULE
from tests.rpc.scripted import Serve, Serving

ANSWER_BYTES = 100_000
ROOM_FOR = 8
MAX_BYTES = ROOM_FOR * (ANSWER_BYTES + CALL_BYTES)
RESOURCE_EXHAUSTED = str(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def answer_much(_request: GetModuleRequest, _context: grpc.ServicerContext) -> GetModuleResponse:
    return GetModuleResponse(detail="x" * ANSWER_BYTES)


@pytest.fixture
def serving(serve: Serve) -> Serving:
    return serve(answer_much, unread=UnreadAnswers(MAX_BYTES))


def test_answers_that_nobody_reads_are_bounded_and_more_calls_are_refused(
    serving: Serving,
) -> None:
    with http2_peer(serving.address, window=0) as deaf:
        for _ in range(ROOM_FOR + 5):
            deaf.call(GET_MODULE)
        while len(deaf.ended) < 5:
            deaf.read()
        assert {ended["grpc-status"] for ended in deaf.ended.values()} == {RESOURCE_EXHAUSTED}
        assert all("grpc-retry-pushback-ms" in ended for ended in deaf.ended.values())
        with pytest.raises(grpc.RpcError) as caught:
            serving.modules.GetModule(GetModuleRequest(), timeout=30)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    # Its connection is gone, and its unread answers with it.
    for _ in range(1_000):
        try:
            assert len(serving.modules.GetModule(GetModuleRequest()).detail) == ANSWER_BYTES
            break
        except grpc.RpcError:
            continue
    else:
        pytest.fail("answers of a closed connection still count")


def test_callers_that_read_are_never_refused(serving: Serving) -> None:
    with ThreadPoolExecutor(4) as callers:  # fewer than there is room for
        answers = [
            callers.submit(serving.modules.GetModule, GetModuleRequest()) for _ in range(200)
        ]
    assert {len(answer.result().detail) for answer in answers} == {ANSWER_BYTES}


def test_an_answer_larger_than_the_limit_is_sent_if_it_is_the_only_one(serve: Serve) -> None:
    serving = serve(answer_much, unread=UnreadAnswers(1))
    assert len(serving.modules.GetModule(GetModuleRequest()).detail) == ANSWER_BYTES


def test_when_there_is_no_room_callers_that_stopped_reading_are_dropped() -> None:
    clock = Clock()
    answers = UnreadAnswers(100, clock)
    let_go: list[str] = []
    slow = answers.open(lambda: let_go.append("slow"))
    assert answers.add(slow, 60)
    clock.now += SLOW_SECONDS / 2
    later = answers.open(lambda: let_go.append("later"))
    assert answers.add(later, 40)
    assert answers.is_full()
    assert let_go == []
    clock.now += SLOW_SECONDS / 2 + 1
    assert not answers.add(later, 1)
    assert let_go == ["slow"]
    answers.close(slow)
    assert answers.held_bytes == 40
    assert answers.add(later, 60)


def test_answers_that_were_read_and_calls_that_are_over_do_not_count() -> None:
    answers = UnreadAnswers(100)
    unread = answers.open(lambda: None)
    assert answers.add(unread, 100)
    answers.leave(unread, 60)
    assert answers.held_bytes == 40
    answers.close(unread)
    answers.close(unread)
    assert answers.add(unread, 50)
    answers.leave(unread, 50)
    assert answers.held_bytes == 0


def test_many_threads_leave_nothing_counted() -> None:
    answers = UnreadAnswers(1_000)
    begin = threading.Barrier(4)

    def ask() -> None:
        begin.wait(30)
        for _ in range(2_000):
            with ExitStack() as call:
                unread = answers.open(lambda: None)
                call.callback(answers.close, unread)
                assert answers.add(unread, 250)
                assert answers.held_bytes <= 1_000

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(ask) for _ in range(4)]:
            done.result(30)
    assert answers.held_bytes == 0
