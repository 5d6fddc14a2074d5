"""What goes into one call, and how its answer is divided, without a network."""

from collections.abc import Iterable, Sequence
from typing import cast

import grpc
import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from symbolon import Frame, InvalidRequestError, Module, ModuleOutcome, Report, ServerDefectError
from symbolon._batching.batches import Batch, pair
from symbolon._batching.joint_calls import CallSize
from symbolon._batching.packers import PlainPacker, pack
from symbolon._messages.raw_messages import RawRequest, RawResponse, read_response
from symbolon.results import Symbolication
from symbolon.v1.diagnostics_pb2 import Diagnostics, ModuleDiagnostics
from symbolon.v1.module_pb2 import ModuleResult
from symbolon.v1.stack_pb2 import SymbolicatedFrame, SymbolicatedStack
from symbolon.v1.symbolication_service_pb2 import SymbolicateRequest, SymbolicateResponse
from tests.client.naming import answer_by_name, expected_functions

SMALL = CallSize(frames=7, modules=5)
NOBODY = cast(grpc.ServicerContext, None)
"""For answers that never abort."""


def answer(request: RawRequest) -> RawResponse:
    """Answer as a server does, from the encoded request."""
    read = SymbolicateRequest.FromString(request.SerializeToString())
    response: Message = answer_by_name(read, NOBODY)
    return read_response(response.SerializeToString())


def make_batches(reports: Iterable[Report], size: CallSize) -> list[Batch[Report]]:
    return list(pack(reports, PlainPacker(size=size)))


def ask_all(batches: Iterable[Batch[Report]]) -> list[tuple[Report, Symbolication]]:
    return [
        (result.report, result.symbolication())
        for batch in batches
        for result in pair(batch, [answer(request) for request in batch.requests])
    ]


def outcomes_of_one(report: Report) -> Sequence[ModuleOutcome]:
    """The module results of a server for this report alone."""
    named = {frame.module_index for stack in report.stacks for frame in stack}
    return [
        ModuleOutcome.NOT_REFERENCED
        if index not in named
        else ModuleOutcome.MISSING
        if module.debug_file.startswith("missing")
        else ModuleOutcome.FOUND
        for index, module in enumerate(report.modules)
    ]


MODULES = [Module(name, "AB0") for name in ("a", "b", "c", "missing d", "missing e", "f", "g")]


@st.composite
def reports(draw: st.DrawFn) -> Report:
    modules = draw(st.lists(st.sampled_from(MODULES), max_size=9))
    indexes = st.none() | st.integers(0, len(modules) - 1) if modules else st.none()
    frames = st.builds(Frame, indexes, st.integers(0, 2**64 - 1), st.booleans())
    return Report(modules, draw(st.lists(st.lists(frames, max_size=12), max_size=4)))


@settings(max_examples=25)
@given(st.lists(reports(), max_size=6))
def test_each_report_is_answered_as_if_sent_alone(asked: list[Report]) -> None:
    answered = ask_all(make_batches(asked, SMALL))
    assert [report for report, _ in answered] == asked
    for report, answer_to_it in answered:
        functions = [[frame.function for frame in stack] for stack in answer_to_it.stacks]
        assert functions == expected_functions(report)
        assert [module.outcome for module in answer_to_it.modules] == outcomes_of_one(report)


@settings(max_examples=25)
@given(st.lists(reports(), max_size=6))
def test_no_call_is_larger_than_it_should_be(asked: list[Report]) -> None:
    for batch in make_batches(asked, SMALL):
        for request in batch.requests:
            size = sum(1 + len(stack.frames) for stack in request.stacks)
            assert size <= SMALL.frames
            assert len(request.modules) <= SMALL.modules


def test_modules_that_several_reports_share_are_sent_once() -> None:
    xul, libc = Module("xul.pdb", "AB0"), Module("libc.so", "CD0")
    first = Report([xul, libc], [[Frame(0, 1)], [Frame(1, 2)]])
    second = Report([libc, xul], [[Frame(0, 3), Frame(None, 4)]])
    (batch,) = make_batches([first, second], CallSize())
    (raw,) = batch.requests
    request = SymbolicateRequest.FromString(raw.SerializeToString())
    assert [module.debug_file for module in request.modules] == ["xul.pdb", "libc.so"]
    assert [frame.module_index for frame in request.stacks[2].frames] == [1, 0]
    assert not request.stacks[2].frames[1].HasField("module_index")


def test_reports_of_an_ordinary_size_go_into_one_call_until_it_is_full() -> None:
    report = Report([Module("a", "")], [[Frame(0, 1)] * 299])
    assert [len(batch.reports) for batch in make_batches([report] * 30, CallSize())] == [
        6,
        6,
        6,
        6,
        6,
    ]


def test_a_module_that_another_report_names_is_still_not_referenced_in_this_one() -> None:
    module = Module("a", "AB0")
    asked = [Report([module], [[Frame(0, 1)]]), Report([module], [[]])]
    (_, first), (_, second) = ask_all(make_batches(asked, CallSize()))
    assert first.modules[0].outcome is ModuleOutcome.FOUND
    assert second.modules[0].outcome is ModuleOutcome.NOT_REFERENCED


def test_an_invalid_report_does_not_affect_the_others() -> None:
    fine, wrong = Report([], [[Frame(None, 1)]]), Report([], [[Frame(0, 1)]])
    first, refused, last = make_batches([fine, wrong, fine], CallSize())
    assert ask_all([first]) + ask_all([last]) == ask_all(make_batches([fine, fine], CallSize()))
    assert not refused.requests
    with pytest.raises(InvalidRequestError, match=r"^stacks\[0\].frames\[0\]: .* 0 modules$"):
        pair(refused, [])


def test_an_answer_to_something_else_is_a_defect_of_the_server() -> None:
    (batch,) = make_batches([Report([], [[Frame(None, 1)]])], CallSize())
    with pytest.raises(ServerDefectError):
        pair(batch, [read_response(b"")])
    without_its_frame = SymbolicateResponse(stacks=[SymbolicatedStack()])
    with pytest.raises(ServerDefectError):
        pair(batch, [read_response(without_its_frame.SerializeToString())])


def test_diagnostics_cover_each_module_even_one_listed_twice() -> None:
    module = Module("a", "AB0")
    report = Report([module, Module("b", ""), module], [[Frame(2, 5)]])
    (batch,) = pack([report], PlainPacker(with_diagnostics=True))
    entries = [ModuleDiagnostics(frames=1), ModuleDiagnostics(frames=0)]
    response = SymbolicateResponse(
        stacks=[SymbolicatedStack(frames=[SymbolicatedFrame()])],
        modules=[ModuleResult(), ModuleResult()],
        diagnostics=Diagnostics(modules=entries),
    )
    (result,) = pair(batch, [read_response(response.SerializeToString())])
    diagnostics = result.symbolication().diagnostics
    assert diagnostics is not None
    assert [entry.frames for entry in diagnostics.modules] == [1, 0, 1]
