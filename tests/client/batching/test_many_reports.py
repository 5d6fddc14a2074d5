"""Many reports, against a real server."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest

from symbolon import (
    AsyncClient,
    Client,
    Frame,
    InvalidRequestError,
    Module,
    Progress,
    Report,
    ServerDefectError,
    ServerUnreachableError,
)
from symbolon._batching.joint_calls import CALL_SIZE
from symbolon._calling.options import CALLS_IN_FLIGHT
from tests.client.canned import CannedServer
from tests.client.naming import answer_by_name, expected_functions

XUL, LIBC = Module("xul.pdb", "AB0"), Module("libc.so", "CD0")


def make_report(number: int, frames: int = 300) -> Report:
    """Return a report with frames that no other has."""
    stack = [Frame(index % 2, number * frames + index) for index in range(frames)]
    return Report([XUL, LIBC], [stack])


@pytest.fixture(autouse=True)
def named(canned: CannedServer) -> None:
    canned.answers = [answer_by_name]


def test_a_batch_is_answered_in_its_order(client: Client) -> None:
    reports = [make_report(number, 300) for number in range(60)]
    for report, answer in zip(reports, client.symbolicate_batch(reports), strict=True):
        functions = [[frame.function for frame in stack] for stack in answer.stacks]
        assert functions == expected_functions(report)


def test_small_reports_share_calls(canned: CannedServer, client: Client) -> None:
    client.symbolicate_batch([make_report(number) for number in range(12)])
    assert [len(request.stacks) for request in canned.requests] == [6, 6]
    assert all(len(request.modules) == 2 for request in canned.requests)


def test_a_large_report_is_divided_and_joined_again(canned: CannedServer, client: Client) -> None:
    report = make_report(1, frames=3 * CALL_SIZE.frames)
    answer = client.symbolicate(report.modules, report.stacks)
    assert [[frame.function for frame in stack] for stack in answer.stacks] == expected_functions(
        report
    )
    assert len(canned.requests) == 4
    assert all(len(request.stacks[0].frames) < CALL_SIZE.frames for request in canned.requests)


def test_a_report_with_diagnostics_is_one_call(canned: CannedServer, client: Client) -> None:
    report = make_report(1, frames=2 * CALL_SIZE.frames)
    client.symbolicate(report.modules, report.stacks, with_diagnostics=True)
    assert [request.with_diagnostics for request in canned.requests] == [True]


def test_several_calls_are_in_flight_at_a_time(canned: CannedServer, client: Client) -> None:
    together = threading.Barrier(CALLS_IN_FLIGHT)

    def meet(request: Any, context: grpc.ServicerContext) -> Any:
        together.wait(20)
        return answer_by_name(request, context)

    canned.answers = [meet]
    reports = [make_report(1, 1_500)] * CALLS_IN_FLIGHT
    assert len(client.symbolicate_batch(reports)) == CALLS_IN_FLIGHT


def test_no_more_reports_are_read_than_calls_are_in_flight(client: Client) -> None:
    taken = []

    def take() -> Iterator[Report]:
        for number in range(1_000):
            taken.append(number)
            yield make_report(number, CALL_SIZE.frames // 2)

    results = client.symbolicate_many(take())
    for done in range(1, 6):
        next(results)
        assert len(taken) - done <= CALLS_IN_FLIGHT + 1
    results.close()  # type: ignore[attr-defined]  # an iterator that is a generator


def test_an_invalid_report_fails_alone(client: Client) -> None:
    refused_here = Report([], [[Frame(0, 1)]])
    refused_there = Report([Module("a/b", "AB0")], [[Frame(0, 1)]])
    fine = make_report(1, 10)
    reports = [fine, refused_there, fine, refused_here, fine]
    results = list(client.symbolicate_many(reports))
    assert [result.report for result in results] == reports
    errors = [result.error for result in results]
    assert [type(error) for error in errors] == [
        type(None),
        InvalidRequestError,
        type(None),
        InvalidRequestError,
        type(None),
    ]
    for result in (results[0], results[2], results[4]):
        functions = [[frame.function for frame in stack] for stack in result.symbolication().stacks]
        assert functions == expected_functions(fine)
    with pytest.raises(InvalidRequestError, match="a/b is refused"):
        results[1].symbolication()


def test_a_report_that_breaks_the_server_fails_alone(canned: CannedServer, client: Client) -> None:
    def break_on_it(request: Any, context: grpc.ServicerContext) -> Any:
        if any(module.debug_file == "poison" for module in request.modules):
            context.abort(grpc.StatusCode.INTERNAL, "it broke")
        return answer_by_name(request, context)

    canned.answers = [break_on_it]
    poison = Report([Module("poison", "AB0")], [[Frame(0, 1)]])
    results = list(client.symbolicate_many([make_report(1), poison, make_report(2)]))
    assert [type(result.error) for result in results] == [
        type(None),
        ServerDefectError,
        type(None),
    ]


def test_an_error_that_all_reports_share_is_raised(canned: CannedServer, client: Client) -> None:
    def stop_at_the_third(request: Any, context: grpc.ServicerContext) -> Any:
        if request.stacks[0].frames[0].module_offset >= 2 * 1_500:
            context.abort(grpc.StatusCode.UNAVAILABLE, "stopping")
        return answer_by_name(request, context)

    canned.answers = [stop_at_the_third]
    results = client.symbolicate_many(make_report(number, 1_500) for number in range(1_000_000))
    assert next(results).error is None
    assert next(results).error is None
    with pytest.raises(ServerUnreachableError):
        next(results)


def test_progress_is_reported_after_each_call(client: Client) -> None:
    reported: list[Progress] = []
    reports = [*(make_report(number) for number in range(12)), Report([], [[Frame(0, 1)]])]
    list(client.symbolicate_many(reports, progress=reported.append))
    assert reported == [Progress(6, 0, 1_800), Progress(12, 0, 3_600), Progress(13, 1, 3_600)]


def test_no_reports_are_no_results(canned: CannedServer, client: Client) -> None:
    assert client.symbolicate_batch([]) == ()
    assert canned.requests == []


def test_closing_the_results_cancels_the_calls_in_flight(
    canned: CannedServer, client: Client
) -> None:
    under_way, cancelled = threading.Event(), threading.Semaphore(0)

    def answer_the_first(request: Any, context: grpc.ServicerContext) -> Any:
        if request.stacks[0].frames[0].module_offset == 0:
            assert under_way.wait(20)
            return answer_by_name(request, context)
        under_way.set()
        gone = threading.Event()
        if context.add_callback(gone.set):
            assert gone.wait(20)
        cancelled.release()
        return answer_by_name(request, context)

    canned.answers = [answer_the_first]
    results = client.symbolicate_many(make_report(number, 1_500) for number in range(1_000))
    next(results)
    results.close()  # type: ignore[attr-defined]  # an iterator that is a generator
    assert cancelled.acquire(timeout=20)


def test_reports_may_come_asynchronously(canned: CannedServer) -> None:
    async def come() -> AsyncIterator[Report]:
        for number in range(30):
            yield make_report(number)

    async def ask() -> list[Report]:
        async with AsyncClient(canned.target, timeout=20) as client:
            return [result.report async for result in client.symbolicate_many(come())]

    assert asyncio.run(ask()) == [make_report(number) for number in range(30)]
