"""Remembered frames are not requested again, and answered as if they were."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import count
from typing import NoReturn, cast

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symbolon import (
    Client,
    Frame,
    FrameOutcome,
    InvalidRequestError,
    Module,
    ModuleOutcome,
    Progress,
    Report,
    Symbolication,
)
from symbolon._batching.batches import Batch, pair
from symbolon._batching.joint_calls import CALL_SIZE, NO_OPTIONS, CallSize
from symbolon._batching.packers import Packer, PlainPacker, RememberingPacker, pack
from symbolon._batching.run_memory import RunMemory
from symbolon._calling.options import CALLS_IN_FLIGHT
from symbolon._messages.encoding import EncodedReport
from symbolon._messages.raw_messages import RawRequest, RawResponse, read_response
from symbolon.v1.symbolication_service_pb2 import SymbolicateRequest
from tests.client.canned import CannedServer
from tests.client.naming import answer_by_name

SMALL = CallSize(frames=7, modules=5, held=25)
A, B, MISSING = Module("a", "AB0"), Module("b", "CD0"), Module("missing", "EF0")


class Refusing:
    """The error that aborts a call."""

    def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        raise InvalidRequestError(f"{code.name}: {details}")


@dataclass
class World:
    """A server and its symbols: pending modules are found later, and stay so."""

    now: int = 0
    requests: list[SymbolicateRequest] = field(default_factory=list)

    def answer(self, raw: RawRequest) -> RawResponse:
        """Answer as of now; a module `pending 3` is found at time 3."""
        request = SymbolicateRequest.FromString(raw.SerializeToString())
        self.requests.append(request)
        seen = SymbolicateRequest.FromString(raw.SerializeToString())
        for module in seen.modules:
            kind, _, when = module.debug_file.partition(" ")
            if kind == "pending" and self.now >= int(when):
                module.debug_file = f"found {when}"
        response = answer_by_name(seen, cast(grpc.ServicerContext, Refusing()))
        return read_response(response.SerializeToString())

    def count_frames(self) -> int:
        """Return the number of frames requested."""
        return sum(len(stack.frames) for request in self.requests for stack in request.stacks)


Answered = tuple[Report, Symbolication | str]
"""A report with its answer, or its error."""


def ask(batch: Batch[Report], packer: Packer[Report], world: World) -> list[Answered]:
    """Return the result of each report, as a client computes it."""
    try:
        results = pair(batch, [world.answer(request) for request in batch.requests])
        return [(result.report, result.symbolication()) for result in results]
    except InvalidRequestError as error:
        smaller = packer.take_apart(batch)
        if not smaller:
            return [(batch.reports[0], str(error))]
    return [answered for part in smaller for answered in ask(part, packer, world)]


def ask_alone(report: Report, now: int) -> list[Answered]:
    """Return the result of a report without any memory: the slow way."""
    packer = PlainPacker[Report](size=SMALL)
    batches = pack([report], packer)
    return [answered for batch in batches for answered in ask(batch, packer, World(now))]


def ask_all(
    reports: Iterable[Report], memory: RunMemory, world: World, size: CallSize = SMALL
) -> Iterator[Answered]:
    packer = RememberingPacker[Report](NO_OPTIONS, memory, size)
    for batch in pack(reports, packer):
        world.now += 1
        yield from ask(batch, packer, world)


@lru_cache
def share(modules: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return modules


class Sharing(Report):
    """Encodes equal modules as the same sequence, as reports of one program may."""

    __slots__ = ()

    def encode(self) -> EncodedReport:
        encoded = super().encode()
        return replace(encoded, modules=share(tuple(encoded.modules)))


MODULES = [
    Module(name, "AB0")
    for name in (
        "a",
        "b",
        "empty c",
        "missing d",
        "malformed e",
        "pending 2",
        "pending 4",
        "f",
        "/",
    )
]


@st.composite
def reports(draw: st.DrawFn) -> Report:
    modules = draw(st.lists(st.sampled_from(MODULES), max_size=9))
    indexes = st.none() | st.integers(0, len(modules) - 1) if modules else st.none()
    frames = st.builds(Frame, indexes, st.integers(0, 5), st.booleans())
    kind = draw(st.sampled_from([Report, Sharing]))
    return kind(modules, draw(st.lists(st.lists(frames, max_size=12), max_size=4)))


LIMITS = st.sampled_from([0, 500, 2_000, 1 << 20])
SECONDS = st.sampled_from([1, 4, 1_000])
"""Each reading advances the clock by a second."""


@settings(max_examples=60)
@given(st.lists(reports(), max_size=12), LIMITS, SECONDS)
def test_each_report_is_answered_as_if_nothing_was_remembered(
    asked: list[Report], limit: int, seconds: int
) -> None:
    world = World()
    memory = RunMemory(seconds, limit, clock=count().__next__)
    answered = []
    for report, answer in ask_all(asked, memory, world):
        assert [(report, answer)] == ask_alone(report, world.now)
        answered.append(report)
    assert answered == asked


@settings(max_examples=20)
@given(st.lists(reports(), max_size=12), LIMITS, SECONDS)
def test_no_call_is_larger_than_it_should_be(asked: list[Report], limit: int, seconds: int) -> None:
    world = World()
    for _ in ask_all(asked, RunMemory(seconds, limit, clock=count().__next__), world):
        pass
    for request in world.requests:
        assert sum(1 + len(stack.frames) for stack in request.stacks) <= SMALL.frames
        assert len(request.modules) <= SMALL.modules


def remember() -> RunMemory:
    return RunMemory(60, clock=lambda: 0.0)


def ask_each(asked: Iterable[Report], memory: RunMemory, world: World) -> list[Symbolication]:
    """Send one report after the other."""
    answers = [answer for report in asked for _, answer in ask_all([report], memory, world)]
    assert all(isinstance(answer, Symbolication) for answer in answers)
    return cast(list[Symbolication], answers)


def test_found_frames_are_requested_once() -> None:
    world, memory = World(), remember()
    first = Report([A, B], [[Frame(0, 1), Frame(1, 2), Frame(0, 1), Frame(None, 7)]])
    other = Report([B, A], [[Frame(0, 2)], [], [Frame(1, 1), Frame(1, 3)]])
    ask_each([first, other, first, other], memory, world)
    assert world.count_frames() == 3 + 1
    assert len(world.requests) == 2


def test_a_return_address_is_another_frame() -> None:
    world, memory = World(), remember()
    asked = Report([A], [[Frame(0, 1), Frame(0, 1, is_return_address=True)]])
    for answer in ask_each([asked, asked], memory, world):
        assert [frame.function for frame in answer.stacks[0]] == ["a+1", "before a+1"]
    assert world.count_frames() == 2


def test_a_frame_in_a_module_without_a_symbol_there_is_remembered() -> None:
    world, memory = World(), remember()
    asked = Report([Module("empty", "AB0")], [[Frame(0, 1)]])
    for answer in ask_each([asked, asked], memory, world):
        assert answer.stacks[0][0].outcome is FrameOutcome.NO_SYMBOL
    assert world.count_frames() == 1


@pytest.mark.parametrize("name", ["missing", "unavailable", "malformed", "pending 99"])
def test_missing_frames_are_requested_each_time(name: str) -> None:
    world, memory = World(), remember()
    asked = Report([Module(name, "AB0"), A], [[Frame(0, 1), Frame(1, 1)]])
    ask_each([asked, asked, asked], memory, world)
    assert world.count_frames() == 3 + 1


def test_a_module_that_is_no_longer_found_is_dropped() -> None:
    world, memory = World(), remember()
    lost = Module("pending 2", "AB0")
    known, wanted = Report([lost], [[Frame(0, 1)]]), Report([lost], [[Frame(0, 1), Frame(0, 2)]])
    world.now = 1
    (found,) = ask_each([known], memory, world)
    assert found.modules[0].outcome is ModuleOutcome.FOUND
    world.now = -10
    mixed, again = ask_each([wanted, wanted], memory, world)
    assert [frame.outcome for frame in mixed.stacks[0]] == [
        FrameOutcome.SYMBOLICATED,
        FrameOutcome.MODULE_PENDING,
    ]
    assert [frame.outcome for frame in again.stacks[0]] == [FrameOutcome.MODULE_PENDING] * 2
    assert [answer.modules[0].outcome for answer in (mixed, again)] == [ModuleOutcome.PENDING] * 2


def test_an_accepted_module_is_not_sent_again() -> None:
    world, memory = World(), remember()
    asked = Sharing([A, B], [[Frame(0, 1)]])
    ask_each([asked, Sharing([A, B], []), asked], memory, world)
    assert len(world.requests) == 1


def test_a_module_pending_in_one_of_two_calls_is_not_remembered_as_found() -> None:
    class Moving(World):
        def answer(self, raw: RawRequest) -> RawResponse:
            self.now += 1
            return super().answer(raw)

    world, memory = Moving(now=-1), remember()
    asked = Report([Module("pending 2", "AB0")], [[Frame(0, offset) for offset in range(10)]])
    mixed, last = ask_each([asked, asked], memory, world)
    assert {frame.outcome for frame in mixed.stacks[0]} == {
        FrameOutcome.MODULE_PENDING,
        FrameOutcome.SYMBOLICATED,
    }
    assert {frame.outcome for frame in last.stacks[0]} == {FrameOutcome.SYMBOLICATED}


def test_a_module_is_not_referenced_by_a_report_without_frames_in_it() -> None:
    world, memory = World(), remember()
    asked = [Report([A], [[Frame(0, 1)]]), Report([A], [[]])]
    _, answer = ask_each(asked, memory, world)
    assert answer.modules[0].outcome is ModuleOutcome.NOT_REFERENCED
    assert len(world.requests) == 1


def test_remembered_frames_come_with_the_result_of_their_module() -> None:
    asked = Report([A, B], [[Frame(0, 1)]])
    first, second = ask_each([asked, asked], remember(), World())
    assert first == second
    assert second.modules[0].skipped_records == 1


def test_an_invalid_module_is_refused_with_its_place_in_the_report() -> None:
    world, memory = World(), remember()
    bad = Report([A, Module("/", "AB0")], [[Frame(0, 1)]])
    asked = [Report([A], [[Frame(0, 1)]]), bad, bad]
    answers = [ask_alone(report, 0) for report in asked]
    assert [[answered] for answered in ask_all(asked, memory, world)] == answers
    whole = world.requests[-1]
    assert [module.debug_file for module in whole.modules] == ["a", "/"]
    assert len(whole.stacks[0].frames) == 1


def test_after_its_time_everything_is_requested_again() -> None:
    clock = iter([0, 9.9, 10, 10, 19.9])
    world, memory = World(), RunMemory(10, clock=lambda: next(clock))
    asked = Report([A], [[Frame(0, 1)]])
    ask_each([asked], memory, world)
    assert world.count_frames() == 1
    ask_each([asked], memory, world)
    assert world.count_frames() == 2
    ask_each([asked], memory, world)
    assert world.count_frames() == 2


def test_the_memory_stays_within_its_limit() -> None:
    world, memory = World(), RunMemory(60, limit=20_000, clock=lambda: 0.0)
    stacks = ([[Frame(0, offset)]] for offset in range(1_000))
    for _ in ask_all((Report([A], stack) for stack in stacks), memory, world):
        held = sum(len(known.frames) for known in memory._modules.values())
        assert held * 200 <= memory._bytes <= 20_000
    assert world.count_frames() == 1_000


def test_fully_known_reports_do_not_wait_for_others() -> None:
    memory = remember()
    asked = Report([A], [[Frame(0, 1)] * (SMALL.frames - 1)])
    ask_each([asked], memory, World())
    packer = RememberingPacker[Report](NO_OPTIONS, memory, SMALL)
    (batch,) = packer.add(asked)
    assert not batch.requests


def test_reports_that_share_a_call_stay_within_the_limit() -> None:
    memory = remember()
    known = [Frame(0, offset) for offset in range(5)]
    ask_each([Report([A], [known])], memory, World())
    asked = [Report([A], [[*known, Frame(0, 1_000 + number)]]) for number in range(9)]
    packer = RememberingPacker[Report](NO_OPTIONS, memory, SMALL)
    sizes = [len(batch.reports) for batch in pack(asked, packer)]
    assert sizes == [SMALL.held // 7] * 3


@pytest.fixture
def named(canned: CannedServer) -> CannedServer:
    canned.answers = [answer_by_name]
    return canned


def test_a_run_that_remembers_requests_each_frame_once(named: CannedServer, client: Client) -> None:
    stack = [Frame(index % 2, index // 2 % 700) for index in range(1_999)]
    asked = [Report([A, B], [stack])] * 20
    plain = list(client.symbolicate_many(asked))
    named.requests.clear()
    reported: list[Progress] = []
    results = list(client.symbolicate_many(asked, remember_seconds=60, progress=reported.append))
    assert [result.report for result in results] == asked
    assert [result.symbolication() for result in results] == [
        result.symbolication() for result in plain
    ]
    assert len(named.requests) < 10
    assert reported[-1] == Progress(20, 0, 20 * 1_999)


def test_a_run_that_remembers_has_the_same_errors(named: CannedServer, client: Client) -> None:
    bad = Report([A, Module("a/b", "AB0")], [[Frame(0, 1)]])
    refused_here = Report([], [[Frame(0, 1)]])
    asked = [
        Report([A], [[Frame(0, 1)]]),
        bad,
        refused_here,
        Report([MISSING], [[Frame(0, 1)]]),
    ] * 3
    plain = client.symbolicate_many(asked)
    for result, expected in zip(
        client.symbolicate_many(asked, remember_seconds=60), plain, strict=True
    ):
        assert result.report == expected.report
        assert str(result.error) == str(expected.error)
        if expected.error is None:
            assert result.symbolication() == expected.symbolication()


def test_nothing_is_remembered_from_one_run_to_the_next(
    named: CannedServer, client: Client
) -> None:
    asked = [Report([A], [[Frame(0, 1)]])]
    for _ in range(2):
        list(client.symbolicate_many(asked, remember_seconds=60))
    assert len(named.requests) == 2


def test_diagnostics_request_everything(named: CannedServer, client: Client) -> None:
    asked = [Report([A], [[Frame(0, 1)]])] * 3
    list(client.symbolicate_many(asked, with_diagnostics=True, remember_seconds=60))
    assert [request.with_diagnostics for request in named.requests] == [True] * 3


def test_reports_without_requests_are_taken_only_up_to_a_limit(
    named: CannedServer, client: Client
) -> None:
    taken = 0

    def take() -> Iterator[Report]:
        nonlocal taken
        for taken in range(1, 100_000):
            new = 1_000 + taken if taken % 40 == 1 else 0
            yield Report([A], [[Frame(0, new), *(Frame(0, offset) for offset in range(499))]])

    results = client.symbolicate_many(take(), remember_seconds=60)
    most = (CALLS_IN_FLIGHT + 2) * CALL_SIZE.held // 501
    for done in range(1, 300):
        next(results)
        assert taken - done <= most
    results.close()  # type: ignore[attr-defined]  # an iterator that is a generator
    assert len(named.requests) < 300 // 4
