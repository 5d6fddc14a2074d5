"""Bytes as request messages: each is answered, or refused with the name of a field."""

from google.protobuf.message import DecodeError, Message

from symbolon.v1 import module_pb2, module_service_pb2, stack_pb2
from symbolon.v1.symbolication_service_pb2 import SymbolicateRequest, SymbolicateResponse
from symbolon_server.rpc.calls.status import InvalidRequestError
from symbolon_server.rpc.operators.methods import find_one_module_violations
from tests.fuzz.answering import answer
from tests.fuzz.samples import MODULE_ID
from tests.fuzz.target import Target


def take(data: bytes) -> None:
    """Answer `data` as a `SymbolicateRequest`, and parse it as each of the other requests."""
    try:
        response = SymbolicateResponse.FromString(answer(data))
    except InvalidRequestError as error:
        _check_violations(error)
    else:
        request = SymbolicateRequest.FromString(data)
        assert len(response.modules) == len(request.modules)
        counts = [len(stack.frames) for stack in request.stacks]
        assert [len(stack.frames) for stack in response.stacks] == counts
    _read_get_module(data)


def _check_violations(error: InvalidRequestError) -> None:
    assert error.violations
    assert all(violation.field for violation in error.violations)


def _read_get_module(data: bytes) -> None:
    try:
        request = module_service_pb2.GetModuleRequest.FromString(data)
    except DecodeError:
        return
    assert all(violation.field for violation in find_one_module_violations(request))


def _module(debug_file: str, debug_id: str) -> module_pb2.Module:
    return module_pb2.Module(debug_file=debug_file, debug_id=debug_id, code_file="c", code_id="1")


def _seeds() -> list[bytes]:
    sample = _module(MODULE_ID.debug_file, MODULE_ID.debug_id)
    other = _module("xul.pdb", "44E4EC8C2F41492B9369D6B9A059577C2")
    frames = [
        stack_pb2.Frame(module_index=0, module_offset=4624),
        stack_pb2.Frame(module_index=0, module_offset=4625, is_return_address=True),
        stack_pb2.Frame(module_index=1, module_offset=2**64 - 1),
        stack_pb2.Frame(module_offset=7),
    ]
    whole = SymbolicateRequest(
        modules=[sample, other, _module("", "")],
        stacks=[stack_pb2.Stack(frames=frames), stack_pb2.Stack()],
        with_diagnostics=True,
    )
    whole.max_wait.FromMilliseconds(1500)
    messages: list[Message] = [
        whole,
        SymbolicateRequest(modules=[sample], stacks=[stack_pb2.Stack(frames=frames[:2])]),
        SymbolicateRequest(modules=[_module("a/b", "0x1")]),
        module_service_pb2.GetModuleRequest(module=sample),
    ]
    return [message.SerializeToString() for message in messages]


TARGET = Target(take, _seeds, longest=4_096)
