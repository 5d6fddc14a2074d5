"""Unread answers are bounded and do not affect other callers."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from symbolon.v1.module_service_pb2 import GetModuleRequest, GetModuleResponse
from symbolon_server.rpc.calls.call_limits import CALL_BYTES, SLOW_SECONDS, UnreadAnswers
from tests.fixtures.http2_peer import http2_peer
from tests.fixtures.redis_fixtures import FakeClock
from tests.rpc.access.protected import GET_MODULE, HEALTH_CHECK, REFLECTION
from tests.rpc.calls.test_silent_callers import HEALTH_WATCH
from tests.rpc.scripted import Serve, Serving

ANSWER_BYTES = 100_000
ROOM_FOR = 8
MAX_BYTES = 2 * ROOM_FOR * (ANSWER_BYTES + CALL_BYTES)
"""One caller may hold half of it."""
RESOURCE_EXHAUSTED = str(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])


def answer_much(_request: GetModuleRequest, _context: grpc.ServicerContext) -> GetModuleResponse:
    return GetModuleResponse(detail="x" * ANSWER_BYTES)


@pytest.fixture
def serving(serve: Serve) -> Serving:
    return serve(answer_much, unread=UnreadAnswers(MAX_BYTES))


@pytest.mark.promise("Unread answers are bounded, and callers that read are never refused")
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
        with http2_peer(serving.address, own_host="127.0.0.2") as other:
            for _ in range(ROOM_FOR):
                assert other.wait_for_end(other.call(GET_MODULE))["grpc-status"] == "0"
    # Its connection is gone, and its unread answers with it.
    for _ in range(1_000):
        try:
            assert len(serving.modules.GetModule(GetModuleRequest()).detail) == ANSWER_BYTES
            break
        except grpc.RpcError:
            continue
    else:
        pytest.fail("answers of a closed connection still count")


@pytest.mark.promise("Unread answers are bounded, and callers that read are never refused")
@pytest.mark.parametrize(
    ("method", "message", "limit"),
    [
        (HEALTH_CHECK, b"", "health.MAX_CHECKS"),
        (HEALTH_WATCH, b"", "health.MAX_WATCHES"),
        (REFLECTION, b"\x3a\x00", "reflection.MAX_STREAMS"),
    ],
)
def test_unread_calls_to_methods_without_tokens_are_bounded(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, method: str, message: bytes, limit: str
) -> None:
    held, more = 4, 20
    monkeypatch.setattr(f"symbolon_server.rpc.serving.{limit}", held)
    serving = serve(answer_much)
    with http2_peer(serving.address, window=0) as deaf:
        calls = [deaf.call(method, message) for _ in range(held + more)]
        while len(deaf.ended) < more:
            deaf.read()
        assert set(deaf.ended) == set(calls[:more]), "the oldest are ended"
        health: Any = health_pb2_grpc.HealthStub(serving.channel)
        request = health_pb2.HealthCheckRequest()
        assert health.Check(request, timeout=10).status == health_pb2.HealthCheckResponse.SERVING


def test_callers_that_read_are_never_refused(serving: Serving) -> None:
    with ThreadPoolExecutor(4) as callers:  # fewer than there is room for
        answers = [
            callers.submit(serving.modules.GetModule, GetModuleRequest()) for _ in range(200)
        ]
    assert {len(answer.result().detail) for answer in answers} == {ANSWER_BYTES}


def test_an_answer_larger_than_the_limit_is_sent_if_it_is_the_only_one(serve: Serve) -> None:
    serving = serve(answer_much, unread=UnreadAnswers(1))
    assert len(serving.modules.GetModule(GetModuleRequest()).detail) == ANSWER_BYTES


@pytest.mark.promise("Unread answers are bounded, and callers that read are never refused")
def test_when_there_is_no_room_callers_that_stopped_reading_are_dropped() -> None:
    clock = FakeClock()
    answers = UnreadAnswers(100, clock)
    dropped: list[str] = []
    slow = answers.open(lambda: dropped.append("slow"), "one")
    assert answers.add(slow, 50)
    clock.now += SLOW_SECONDS / 2
    later = answers.open(lambda: dropped.append("later"), "another")
    assert answers.add(later, 50)
    assert answers.is_full()
    assert dropped == []
    clock.now += SLOW_SECONDS / 2 + 1
    assert not answers.add(later, 1)
    assert dropped == ["slow"]
    answers.close(slow)
    assert answers.held_bytes == 50
    answers.leave(later, 20)
    assert answers.add(later, 10)


def test_a_caller_may_hold_as_much_as_is_free_so_that_others_have_room() -> None:
    answers = UnreadAnswers(100)
    greedy, second = (answers.open(lambda: None, name) for name in ("greedy", "second"))
    assert answers.add(greedy, 30)
    assert answers.add(greedy, 20)
    assert not answers.add(greedy, 1)
    assert not answers.add(answers.open(lambda: None, "greedy"), 1)
    assert answers.add(second, 20)
    assert answers.add(second, 5)
    assert not answers.add(second, 1)
    assert answers.may_answer("modest")
    assert answers.add(answers.open(lambda: None, "modest"), 25)


def test_a_caller_at_its_own_limit_does_not_cause_calls_of_others_to_be_dropped() -> None:
    clock = FakeClock()
    answers = UnreadAnswers(100, clock)
    dropped: list[str] = []
    for name, held_bytes in ("modest", 10), ("greedy", 30), ("greedy", 15):
        assert answers.add(answers.open(partial(dropped.append, name), name), held_bytes)
    clock.now += SLOW_SECONDS + 1
    assert not answers.add(answers.open(lambda: None, "greedy"), 1)
    assert dropped == ["greedy", "greedy"]


def test_answers_that_were_read_and_calls_that_are_over_do_not_count() -> None:
    answers = UnreadAnswers(100)
    unread = answers.open(lambda: None, "one")
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

    def ask(caller: str) -> None:
        begin.wait(30)
        for _ in range(2_000):
            with ExitStack() as call:
                unread = answers.open(lambda: None, caller)
                call.callback(answers.close, unread)
                assert answers.add(unread, 250)
                assert answers.held_bytes <= 1_000

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(ask, name) for name in "abcd"]:
            done.result(30)
    assert answers.held_bytes == 0
