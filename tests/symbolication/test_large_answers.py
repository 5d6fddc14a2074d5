"""Answers that no message can hold, as of a symbol file with enormous names."""

import re
from contextlib import nullcontext

import pytest

from symbolon.v1 import module_pb2, stack_pb2
from symbolon.v1.symbolication_service_pb2 import SymbolicateRequest, SymbolicateResponse
from symbolon_server.rpc.calls.status import InvalidRequestError
from symbolon_server.rpc.symbolicate.service import Answerer, RequestLimits, WaitLimits
from symbolon_server.symbolication import symbolicator
from symbolon_server.symbolication.looking_up import new_frames
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.symbolication.conftest import File, Host, IngestNow

NAME_BYTES = 100_000
MOST_BYTES = 10 * NAME_BYTES


@pytest.fixture
def module_id(module_id: ModuleId, file: File, ingest_now: IngestNow, host: Host) -> ModuleId:
    """A module in the store, of one function with a long name."""
    del host  # whose start empties the store
    head = f"MODULE Linux x86_64 {module_id.debug_id} {module_id.debug_file}\n"
    text = f"{head}FUNC 0 1000 0 {'x' * NAME_BYTES}\n"
    file.supplier.put(module_id, text.encode())
    ingest_now(module_id)
    return module_id


@pytest.fixture
def answerer(host: Host, monkeypatch: pytest.MonkeyPatch) -> Answerer:
    for module in (new_frames, symbolicator):
        monkeypatch.setattr(module, "MAX_ANSWER_BYTES", MOST_BYTES)
    return Answerer(host.symbolicator, RequestLimits(10, 1000), WaitLimits(0.0, 0.0))


def answer(answerer: Answerer, module_id: ModuleId, offsets: list[int]) -> SymbolicateResponse:
    module = module_pb2.Module(debug_file=module_id.debug_file, debug_id=module_id.debug_id)
    frames = [stack_pb2.Frame(module_index=0, module_offset=offset) for offset in offsets]
    request = SymbolicateRequest(modules=[module], stacks=[stack_pb2.Stack(frames=frames)])
    encoded = answerer.answer(
        request.SerializeToString(), None, lambda _let_go: nullcontext(enter_result=False)
    )
    return SymbolicateResponse.FromString(encoded)


@pytest.mark.promise("An answer that is too large is refused, never truncated", group="limits")
@pytest.mark.parametrize("offsets", [list(range(20)), [7] * 20], ids=["all new", "one again"])
def test_an_answer_that_is_too_large_is_refused(
    answerer: Answerer, module_id: ModuleId, offsets: list[int]
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        answer(answerer, module_id, offsets)
    (violation,) = caught.value.violations
    assert violation.field == "stacks"
    said = re.fullmatch(
        r"would be answered with at least (\d+) bytes, the limit is (\d+): ask for fewer frames",
        violation.description,
    )
    assert said is not None
    assert MOST_BYTES < int(said[1]) <= len(offsets) * (NAME_BYTES + 100)
    assert int(said[2]) == MOST_BYTES


def test_what_fits_is_answered(answerer: Answerer, module_id: ModuleId) -> None:
    (stack,) = answer(answerer, module_id, list(range(9))).stacks
    assert [len(frame.function) for frame in stack.frames] == [NAME_BYTES] * 9
