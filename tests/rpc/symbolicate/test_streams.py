"""Streams over a network, with a symbolicator that a test controls."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import Any

import grpc
import pytest
from google.rpc import (  # type: ignore[import-untyped] # the package has no py.typed
    error_details_pb2,
    status_pb2,
)

from symbolon.v1 import stack_pb2
from symbolon.v1 import symbolication_service_pb2 as pb
from symbolon.v1.symbolication_service_pb2_grpc import SymbolicationServiceStub
from symbolon_server.rpc.calls.call_limits import UnreadAnswers
from symbolon_server.rpc.calls.status import DETAILS_KEY
from symbolon_server.rpc.symbolicate.stream_flow import StreamFlow
from symbolon_server.rpc.symbolicate.streams import FLOW, StreamPlace, StreamPlaces
from symbolon_server.symbols.paging import wire
from tests.fixtures.http2_peer import framed, http2_peer
from tests.rpc.scripted import count_of
from tests.rpc.symbolicate.stream_site import (
    BROKEN,
    COLD,
    LARGE,
    LARGE_BYTES,
    LEFT,
    MOST_ON_THE_WAY,
    SECONDS,
    Request,
    Response,
    Sent,
    Site,
    StartSite,
    request,
    site,
    start_site,
)

__all__ = ["site", "start_site"]


def test_each_answer_has_the_id_of_its_request(site: Site) -> None:
    names = [f"report {number}" for number in range(200)] + ["", "\N{SNOWMAN}"]
    answers = list(site.stream([request(name) for name in names]))
    assert sorted(answer.id for answer in answers) == sorted(names)
    assert {answer.WhichOneof("result") for answer in answers} == {"response"}
    assert all(len(answer.response.stacks) == 1 for answer in answers)


def test_hot_requests_do_not_wait_for_cold_ones_of_their_stream(start_site: StartSite) -> None:
    site = start_site(threads=8)
    sent = Sent(request("cold 1", COLD), request("cold 2", COLD), request("hot 1"))
    answers = site.stream(sent)
    assert next(answers).id == "hot 1"
    sent.queue.put(request("hot 2"))
    assert next(answers).id == "hot 2"
    site.symbolicator.ready.set()
    sent.queue.put(None)
    assert sorted(answer.id for answer in answers) == ["cold 1", "cold 2"]


def test_cold_requests_beyond_the_share_of_a_stream_are_answered_without_waiting(
    start_site: StartSite,
) -> None:
    site = start_site(threads=64)
    share = FLOW.max_requests // 2
    answers = site.stream([request(f"cold {number}", COLD) for number in range(share + 1)])
    for _ in range(share):
        assert site.symbolicator.began.acquire(timeout=SECONDS)
    assert site.symbolicator.turned_away.acquire(timeout=SECONDS)
    assert next(answers).WhichOneof("result") == "response"
    site.symbolicator.ready.set()
    assert len(list(answers)) == share


def test_streams_together_wait_with_half_of_the_threads(start_site: StartSite) -> None:
    site = start_site(threads=2)
    sent = Sent(request("cold", COLD))
    waiting = site.stream(sent)
    assert site.symbolicator.began.acquire(timeout=SECONDS)
    (other,) = site.stream([request("another cold", COLD)])
    assert other.WhichOneof("result") == "response"
    assert site.symbolicator.turned_away.acquire(timeout=SECONDS)
    site.symbolicator.ready.set()
    sent.queue.put(None)
    assert [answer.id for answer in waiting] == ["cold"]


@pytest.mark.parametrize(
    ("bad", "code", "message"),
    [
        (
            Request(
                id="bad",
                request=pb.SymbolicateRequest(
                    stacks=[stack_pb2.Stack(frames=[stack_pb2.Frame()] * 11)]
                ),
            ),
            grpc.StatusCode.INVALID_ARGUMENT,
            "stacks.frames: has 11 or more entries, the limit is 10",
        ),
        (
            request("bad", "a/b.pdb"),
            grpc.StatusCode.INVALID_ARGUMENT,
            "modules[0].debug_file: ",
        ),
        (request("bad", BROKEN), grpc.StatusCode.INTERNAL, "internal error; see the server's log"),
    ],
    ids=["limit", "rule", "defect"],
)
def test_one_bad_request_is_answered_with_its_own_error(
    site: Site, bad: Request, code: grpc.StatusCode, message: str
) -> None:
    before = count_of("symbolon_stream_answers_total", code=code.name)
    answers = {answer.id: answer for answer in site.stream([request("1"), bad, request("2")])}
    assert answers["1"].HasField("response")
    assert answers["2"].HasField("response")
    assert answers["bad"].error.code == code.value[0]
    assert answers["bad"].error.message.startswith(message)
    assert "hunter2" not in answers["bad"].error.message
    assert count_of("symbolon_stream_answers_total", code=code.name) == before + 1


def test_an_id_of_256_bytes_is_refused_and_returned_unchanged(site: Site) -> None:
    (answer,) = site.stream([request("é" * 128)])
    assert answer.id == "é" * 128
    assert answer.error.message == "id: has 256 bytes, the limit is 255"


def test_bytes_that_are_not_a_request_are_answered_with_an_error(site: Site) -> None:
    method: Any = site.channel.stream_stream(
        "/symbolon.v1.SymbolicationService/SymbolicateStream",
        response_deserializer=Response.FromString,
    )
    well = request("well").SerializeToString()
    broken_inside = wire.bytes_field(1, b"inside") + wire.message_field(2, b"\xff")
    answers = list(method(iter([b"\xff\xff", well, broken_inside]), timeout=SECONDS))
    errors = {answer.id: answer.error.code for answer in answers}
    assert errors == {"": 3, "well": 0, "inside": 3}


def test_a_caller_that_does_not_read_makes_the_server_take_no_more(site: Site) -> None:
    """The server is ahead of the caller by no more than the stream and the network hold."""
    most_ahead = FLOW.max_requests + MOST_ON_THE_WAY
    number = 150
    answers = site.stream([request(str(index), LARGE) for index in range(number)])
    ahead = []
    unary = SymbolicationServiceStub(site.channel)
    for read, _ in enumerate(answers, start=1):
        for _ in range(5):  # gives the server time to get ahead
            unary.Symbolicate(pb.SymbolicateRequest(), timeout=SECONDS)
        ahead.append(site.symbolicator.answered - 5 * read - read)
    assert len(ahead) == number
    assert max(ahead) <= most_ahead < number


def test_cancelling_a_stream_ends_its_waits_and_drops_queued_requests(
    start_site: StartSite,
) -> None:
    site = start_site(threads=2)
    cancelled_before = count_of(
        "symbolon_calls_total", method="SymbolicateStream", code="CANCELLED"
    )
    answers = site.stream(Sent(request("cold", COLD)))
    assert site.symbolicator.began.acquire(timeout=SECONDS)
    answers.cancel()
    assert site.symbolicator.let_go.acquire(timeout=SECONDS)
    # Soon after, the place in the waiting room is free again.
    for _ in range(1_000):
        (answer,) = site.stream([request("cold again", COLD)])
        assert answer.HasField("response")
        if site.symbolicator.began.acquire(blocking=False):
            break
    else:
        pytest.fail("the place in the waiting room is not free")
    site.server.stop(SECONDS, end_streams=site.streams.stop)
    assert count_of("symbolon_streams") == 0
    assert (
        count_of("symbolon_calls_total", method="SymbolicateStream", code="CANCELLED")
        == cancelled_before + 1
    )


@pytest.mark.promise("A call whose caller has left ends at its next step")
def test_a_unary_call_that_is_cancelled_waits_no_longer(site: Site) -> None:
    cold = pb.SymbolicateRequest(modules=request("", COLD).request.modules)
    call = SymbolicationServiceStub(site.channel).Symbolicate.future(cold, timeout=SECONDS)
    assert site.symbolicator.began.acquire(timeout=SECONDS)
    call.cancel()
    assert site.symbolicator.let_go.acquire(timeout=SECONDS)


@pytest.mark.promise("A call whose caller has left ends at its next step")
def test_a_call_whose_caller_is_gone_already_does_not_wait(site: Site) -> None:
    asked = pb.SymbolicateRequest(modules=request("", LEFT).request.modules)
    call = SymbolicationServiceStub(site.channel).Symbolicate.future(asked, timeout=SECONDS)
    assert site.symbolicator.looking.acquire(timeout=SECONDS)
    call.cancel()
    assert site.symbolicator.let_go.acquire(timeout=SECONDS)


def test_streams_beyond_the_limit_are_refused_with_a_delay(start_site: StartSite) -> None:
    site = start_site(max_streams=1)
    sent = Sent(request("1"))
    first = site.stream(sent)
    assert next(first).id == "1"
    with pytest.raises(grpc.RpcError) as caught:
        next(site.stream([request("2")]))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    metadata = {entry.key: entry.value for entry in caught.value.trailing_metadata()}
    detail = error_details_pb2.RetryInfo()
    assert status_pb2.Status.FromString(metadata[DETAILS_KEY]).details[0].Unpack(detail)
    sent.queue.put(None)
    assert list(first) == []
    assert [answer.id for answer in site.stream([request("3")])] == ["3"]


@pytest.mark.promise(
    "Idle streams, or the streams of one caller, do not keep others out", group="limits"
)
def test_a_stream_that_is_idle_ends_with_a_status_that_says_so(start_site: StartSite) -> None:
    site = start_site(idle_seconds=0.3)
    answers = site.stream(Sent(request("1")))
    assert next(answers).id == "1"
    with pytest.raises(grpc.RpcError) as caught:
        next(answers)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "the stream was idle for 0.3 s" in str(caught.value.details())
    assert [answer.id for answer in site.stream([request("2")])] == ["2"]


@pytest.mark.promise("Idle streams, or the streams of one caller, do not keep others out")
def test_a_stream_that_waits_for_an_answer_is_not_idle(start_site: StartSite) -> None:
    site = start_site(idle_seconds=0.05)
    answers = site.stream([request("cold", COLD)])
    assert site.symbolicator.began.acquire(timeout=SECONDS)
    other = site.stream(Sent())
    assert other.code() is grpc.StatusCode.UNAVAILABLE  # idle while the first one waits
    site.symbolicator.ready.set()
    assert [answer.id for answer in answers] == ["cold"]


@pytest.mark.promise("Idle streams, or the streams of one caller, do not keep others out")
def test_one_caller_has_at_most_half_of_the_streams(start_site: StartSite) -> None:
    def name_caller(context: grpc.ServicerContext) -> str:
        return str(dict(context.invocation_metadata()).get("name", ""))

    site = start_site(max_streams=4, name_caller=name_caller)
    stub = SymbolicationServiceStub(site.channel)
    sent = [Sent(request("1")) for _ in range(4)]

    def open_stream(number: int, name: str) -> Any:
        stream = stub.SymbolicateStream(sent[number], timeout=SECONDS, metadata=(("name", name),))
        streams.append(stream)  # an unreferenced stream is cancelled
        return next(stream)

    streams: list[Any] = []
    assert [open_stream(number, "greedy").id for number in range(2)] == ["1", "1"]
    with pytest.raises(grpc.RpcError) as caught:
        open_stream(2, "greedy")
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "one caller may hold 2 of the 4 streams" in str(caught.value.details())
    assert open_stream(3, "modest").id == "1"
    for requests in sent:
        requests.queue.put(None)


@pytest.mark.promise("Idle streams, or the streams of one caller, do not keep others out")
def test_streams_that_are_not_read_make_room_when_all_are_taken(start_site: StartSite) -> None:
    site = start_site(max_streams=1, idle_seconds=0.3)
    with http2_peer(site.address, window=0) as deaf:
        stream = deaf.begin("/symbolon.v1.SymbolicationService/SymbolicateStream")
        message = framed(request("unread", LARGE).SerializeToString())
        deaf.send(stream, message, is_last=False)
        deaf.settle()
        for _ in range(10_000):
            try:
                answers = list(site.stream([request("read")]))
                break
            except grpc.RpcError:
                continue
        else:
            pytest.fail("a stream that is not read keeps its place")
    assert [answer.id for answer in answers] == ["read"]


def test_a_caller_at_its_own_limit_does_not_cause_streams_of_others_to_be_cancelled() -> None:
    cancelled: list[str] = []

    def stuck_place(caller: str) -> StreamPlace:
        flow = StreamFlow(replace(FLOW, idle_seconds=0.0))
        flow.take(1)
        flow.put(1, b"unread")
        next(flow.answers())
        return StreamPlace(flow, caller, lambda: cancelled.append(caller))

    places = StreamPlaces(4)
    callers = "modest", "greedy", "greedy"
    assert [places.enter(stuck_place(caller)) for caller in callers] == ["", "", ""]
    assert "one caller" in places.enter(stuck_place("greedy"))
    assert cancelled == ["greedy", "greedy"]


def test_a_stopping_server_answers_what_it_has_taken_and_ends_its_streams(site: Site) -> None:
    sent = Sent(request("hot"), request("cold", COLD))
    answers = site.stream(sent)
    assert next(answers).id == "hot"
    assert site.symbolicator.began.acquire(timeout=SECONDS)
    with ThreadPoolExecutor() as threads:
        stopped = threads.submit(site.server.stop, SECONDS, end_streams=site.streams.stop)
        site.symbolicator.ready.set()
        assert next(answers).id == "cold"
        with pytest.raises(grpc.RpcError) as caught:
            next(answers)
        stopped.result(SECONDS)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_caller_may_wait_for_each_answer_before_its_next_request(site: Site) -> None:
    sent = Sent()
    answers = site.stream(sent)
    for number in range(20):
        sent.queue.put(request(str(number)))
        assert next(answers).id == str(number)
    sent.queue.put(None)
    assert list(islice(answers, 1)) == []


@pytest.mark.promise(
    "Unread answers are bounded, and callers that read are never refused", group="limits"
)
def test_answers_that_a_stream_does_not_read_are_bounded_and_refused(
    start_site: StartSite,
) -> None:
    unread = UnreadAnswers(6 * LARGE_BYTES)  # one caller may hold half of it
    site = start_site(unread=unread)
    with http2_peer(site.address, window=0) as deaf:
        stream = deaf.begin("/symbolon.v1.SymbolicationService/SymbolicateStream")
        for number in range(FLOW.max_requests):
            message = framed(request(str(number), LARGE).SerializeToString())
            deaf.send(stream, message, is_last=False)
        refused = _ask_until(site, lambda answer: answer.HasField("error"))
        assert refused.error.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
        assert unread.held_bytes < 4 * LARGE_BYTES
    assert _ask_until(site, lambda answer: answer.HasField("response"))


@pytest.mark.promise("No limit of a connection's age ends a stream", group="limits")
def test_a_stream_outlives_the_age_limit_of_its_connection(start_site: StartSite) -> None:
    site = start_site(connection_age_seconds=0.5)
    is_too_old = threading.Event()

    def note(state: grpc.ChannelConnectivity) -> None:
        if state is grpc.ChannelConnectivity.IDLE and is_open.is_set():
            is_too_old.set()

    is_open = threading.Event()
    site.channel.subscribe(note)
    sent = Sent(request("1"))
    answers = site.stream(sent)
    assert next(answers).id == "1"
    is_open.set()
    assert is_too_old.wait(SECONDS)
    for name in ("2", "3"):
        sent.queue.put(request(name))
        assert next(answers).id == name
    sent.queue.put(None)
    assert list(answers) == []


def _ask_until(site: Site, is_enough: Callable[[Any], bool]) -> Any:
    """Repeat the same large request until an answer is good enough; return the answer."""
    for _ in range(1_000):
        (answer,) = site.stream([request("again", LARGE)])
        if is_enough(answer):
            return answer
    return pytest.fail("no answer was good enough")


@pytest.mark.promise("An unexpected error ends no vital thread, or health turns NOT_SERVING")
@pytest.mark.parametrize(
    ("name", "thread", "code"),
    [
        ("take", "stream-take", grpc.StatusCode.UNAVAILABLE),
        ("put", "stream-answer", grpc.StatusCode.CANCELLED),
    ],
)
def test_an_unexpected_error_ends_a_stream_with_a_status_and_is_counted(
    site: Site, monkeypatch: pytest.MonkeyPatch, name: str, thread: str, code: grpc.StatusCode
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("a defect")

    errors = count_of("symbolon_thread_errors_total", thread=thread)
    with monkeypatch.context() as patched:
        patched.setattr(StreamFlow, name, fail)
        stream = site.stream([request("one"), request("two")])
        with pytest.raises(grpc.RpcError) as caught:
            list(stream)
    assert caught.value.code() is code
    assert count_of("symbolon_thread_errors_total", thread=thread) > errors
    assert [response.id for response in site.stream([request("three")])] == ["three"]
