"""Reports as the bytes of requests."""

from collections.abc import Sequence

import pytest
from google.protobuf.duration_pb2 import Duration

from symbolon import Frame, InvalidRequestError, Module, Report
from symbolon._batching.joint_calls import CallOptions, JointCall
from symbolon._messages.encoding import encode_wait
from symbolon.v1 import module_pb2, stack_pb2, symbolication_service_pb2


def encode(
    modules: Sequence[Module],
    stacks: Sequence[Sequence[Frame]],
    max_wait: float | None = None,
    with_diagnostics: bool = False,
    with_linkage_names: bool = False,
) -> symbolication_service_pb2.SymbolicateRequest:
    """Return the request for one report, decoded."""
    wait = None if max_wait is None else encode_wait(max_wait)
    call = JointCall(CallOptions(wait, with_linkage_names), with_diagnostics=with_diagnostics)
    call.add(Report(modules, stacks).encode())
    return symbolication_service_pb2.SymbolicateRequest.FromString(call.request.SerializeToString())


def test_a_request_keeps_every_field_and_every_order() -> None:
    request = encode(
        [Module("a.pdb", "AB1"), Module("b.so", "cd0", "b", "ffee")],
        [[Frame(1, 16), Frame(0, 2**64 - 1, is_return_address=True)], [], [Frame(None, 7)]],
        max_wait=1.5,
        with_diagnostics=True,
        with_linkage_names=True,
    )
    assert request == symbolication_service_pb2.SymbolicateRequest(
        modules=[
            module_pb2.Module(debug_file="a.pdb", debug_id="AB1"),
            module_pb2.Module(debug_file="b.so", debug_id="cd0", code_file="b", code_id="ffee"),
        ],
        stacks=[
            stack_pb2.Stack(
                frames=[
                    stack_pb2.Frame(module_index=1, module_offset=16),
                    stack_pb2.Frame(
                        module_index=0, module_offset=2**64 - 1, is_return_address=True
                    ),
                ]
            ),
            stack_pb2.Stack(),
            stack_pb2.Stack(frames=[stack_pb2.Frame(module_offset=7)]),
        ],
        max_wait=Duration(seconds=1, nanos=500_000_000),
        with_diagnostics=True,
        with_linkage_names=True,
    )


def test_a_frame_in_the_first_module_is_not_a_frame_in_no_module() -> None:
    request = encode([Module("a", "")], [[Frame(0, 0), Frame(None, 0)]])
    first, second = request.stacks[0].frames
    assert first.HasField("module_index")
    assert not second.HasField("module_index")


def test_no_wait_and_a_wait_that_is_left_to_the_server_are_different() -> None:
    assert encode([], [], max_wait=0).HasField("max_wait")
    assert not encode([], []).HasField("max_wait")


@pytest.mark.parametrize(
    "frame",
    [Frame(-1, 0), Frame(1, 0), Frame(2**32, 0), Frame(0, -1), Frame(0, 2**64)],
    ids=repr,
)
def test_a_frame_that_no_message_holds_is_refused_with_its_field(frame: Frame) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        encode([Module("a", "")], [[], [Frame(0, 1), frame]])
    [violation] = caught.value.violations
    assert violation.field == "stacks[1].frames[1]"


def test_a_name_that_is_not_unicode_is_refused_with_its_field() -> None:
    with pytest.raises(InvalidRequestError, match=r"^modules\[0\]: "):
        encode([Module("\ud800", "")], [])


@pytest.mark.parametrize("wait", [float("nan"), float("inf"), 1e30])
def test_an_invalid_wait_is_refused(wait: float) -> None:
    with pytest.raises(InvalidRequestError, match=r"^max_wait: "):
        encode([], [], max_wait=wait)
