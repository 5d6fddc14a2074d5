"""Bodies that come again: answered from kept JSON, but only while the server says the same."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbolon import Client
from symbolon.v1.symbolication_service_pb2 import SymbolicateRequest, SymbolicateResponse
from symbolon_server.gateway.answer_memory import AnswerMemory, Remembered
from tests.gateway.asking import ORCHARD, V4, V5
from tests.gateway.in_process import InProcess

BODY = json.dumps({"memoryMap": [ORCHARD], "stacks": [[[0, 4272]]]}).encode()

Answering = Callable[[SymbolicateRequest, grpc.ServicerContext], SymbolicateResponse]


def found(function: str) -> Answering:
    """Answer any frame with this function."""

    def answer(request: SymbolicateRequest, _context: grpc.ServicerContext) -> SymbolicateResponse:
        response = SymbolicateResponse()
        for _ in request.modules:
            response.modules.add(outcome=2)
        for stack in request.stacks:
            answered = response.stacks.add()
            for frame in stack.frames:
                answered.frames.add(
                    module="orchard", module_offset=frame.module_offset, function=function
                )
        return response

    return answer


def refused(code: grpc.StatusCode, words: str) -> Answering:
    def answer(_request: SymbolicateRequest, context: grpc.ServicerContext) -> SymbolicateResponse:
        context.abort(code, words)
        raise AssertionError

    return answer


@contextmanager
def gateway_before(answers: Sequence[Answering]) -> Iterator[tuple[InProcess, list[str]]]:
    """Return a gateway whose server answers so, one after the other; and who called."""
    left = iter(answers)
    callers: list[str] = []

    def symbolicate(
        request: SymbolicateRequest, context: grpc.ServicerContext
    ) -> SymbolicateResponse:
        callers.append(str(dict(context.invocation_metadata()).get("authorization", "")))
        return next(left)(request, context)

    method = grpc.unary_unary_rpc_method_handler(
        symbolicate, SymbolicateRequest.FromString, SymbolicateResponse.SerializeToString
    )
    with ThreadPoolExecutor(4) as threads:
        server = grpc.server(threads)
        name = "symbolon.v1.SymbolicationService"
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(name, {"Symbolicate": method}),)
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            with Client(f"127.0.0.1:{port}") as client:
                yield InProcess(client, threads), callers
        finally:
            server.stop(None).wait()


def functions_in(body: bytes) -> list[str]:
    (result,) = json.loads(body)["results"]
    return [frame["function"] for stack in result["stacks"] for frame in stack]


@pytest.mark.promise("The gateway never answers with what the server no longer says")
def test_a_body_that_comes_again_is_answered_with_what_the_server_says_now() -> None:
    with gateway_before([found(name) for name in "aaabba"]) as (gateway, callers):
        answers = [gateway.post(V5, BODY) for _ in range(6)]
    assert [functions_in(answer.body) for answer in answers] == [[name] for name in "aaabba"]
    assert answers[0].body == answers[1].body == answers[2].body == answers[5].body
    assert len(callers) == 6


@pytest.mark.parametrize("path", [f"{V5}?strict", f"{V5}?outcomes=1", V4, V5])
def test_what_is_asked_beside_the_body_belongs_to_the_answer(path: str) -> None:
    with gateway_before([found("a")] * 6) as (gateway, _):
        alone = gateway.post(path, BODY).body
        for _ in range(3):
            gateway.post(V5, BODY)
        assert [gateway.post(path, BODY).body for _ in range(2)] == [alone, alone]


def test_an_error_of_a_body_that_came_before_is_named_as_at_first() -> None:
    words = "modules[0].debug_id: is unknown"
    wrong = refused(grpc.StatusCode.INVALID_ARGUMENT, words)
    with gateway_before([wrong, found("a"), found("a"), found("a"), wrong, wrong]) as (gateway, _):
        first = gateway.post(V5, BODY)
        assert [gateway.post(V5, BODY).status for _ in range(3)] == [200, 200, 200]
        again = gateway.post(V5, BODY)
    assert (again.status, again.body) == (first.status, first.body)
    assert first.status == 400
    assert first.title == f"job 0: {words}"


def test_who_may_not_call_gets_nothing_that_is_kept() -> None:
    denied = refused(grpc.StatusCode.PERMISSION_DENIED, "no permission")
    with gateway_before([found("a"), found("a"), found("a"), denied]) as (gateway, _):
        for _ in range(3):
            gateway.post(V5, BODY)
        assert gateway.post(V5, BODY).status == 403


@given(st.lists(st.integers(0, 30), max_size=200), st.integers(0, 300))
def test_the_memory_keeps_the_newest_of_what_came_twice(keys: Sequence[int], most: int) -> None:
    memory = AnswerMemory(most)
    kept: list[int] = []
    for place, key in enumerate(keys):
        body = b"%10d" % key
        memory.add((5, body), body, Remembered(body, body, b"%10d" % place))
        if key in keys[:place]:
            kept = [*(other for other in kept if other != key), key][-(most // 40) :]
        kept = kept if most >= 40 else []
        for other in range(31):
            found = memory.find((5, b"%10d" % other))
            assert (found is not None) is (other in kept)
