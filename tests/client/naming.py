"""Answers computed from the request alone, so that each test can tell which request it was."""

from typing import Any

import grpc

from symbolon import ModuleOutcome, Report
from symbolon.v1 import module_pb2, stack_pb2, symbolication_service_pb2


def name_frame(module: str, frame: stack_pb2.Frame) -> str:
    """Return the function in the answer for a frame."""
    kind = "before " if frame.is_return_address else ""
    return f"{kind}{module}+{frame.module_offset:x}"


def answer_by_name(request: Any, context: grpc.ServicerContext) -> Any:
    """Answer each frame with a function of its own, unless the name of its module says otherwise.

    An `empty` module has no symbols; other names may begin with their outcome. Rejects modules
    whose debug file has a slash, as a server does, or begins with `refused`.
    """
    named = {
        frame.module_index
        for stack in request.stacks
        for frame in stack.frames
        if frame.HasField("module_index")
    }
    for module in request.modules:
        if "/" in module.debug_file or module.debug_file.startswith("refused"):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{module.debug_file} is refused")
    return symbolication_service_pb2.SymbolicateResponse(
        stacks=[_answer_stack(stack, request) for stack in request.stacks],
        modules=[
            _answer_module(module.debug_file, index in named)
            for index, module in enumerate(request.modules)
        ],
    )


def _answer_stack(stack: stack_pb2.Stack, request: Any) -> stack_pb2.SymbolicatedStack:
    return stack_pb2.SymbolicatedStack(
        frames=[_answer_frame(frame, request) for frame in stack.frames]
    )


def _answer_frame(frame: stack_pb2.Frame, request: Any) -> stack_pb2.SymbolicatedFrame:
    if not frame.HasField("module_index"):
        return stack_pb2.SymbolicatedFrame(
            module="<unknown>",
            module_offset=frame.module_offset,
            outcome=stack_pb2.FRAME_OUTCOME_NO_MODULE,
        )
    module = request.modules[frame.module_index].debug_file
    outcome = choose_outcome(module)
    if outcome is not ModuleOutcome.FOUND:
        return stack_pb2.SymbolicatedFrame(
            module=module,
            module_offset=frame.module_offset,
            outcome=stack_pb2.FrameOutcome.Value(f"FRAME_OUTCOME_MODULE_{outcome.name}"),
        )
    if module.startswith("empty"):
        return stack_pb2.SymbolicatedFrame(
            module=module,
            module_offset=frame.module_offset,
            outcome=stack_pb2.FRAME_OUTCOME_NO_SYMBOL,
        )
    return stack_pb2.SymbolicatedFrame(
        module=module,
        module_offset=frame.module_offset,
        function=name_frame(module, frame),
        outcome=stack_pb2.FRAME_OUTCOME_SYMBOLICATED,
    )


def choose_outcome(debug_file: str) -> ModuleOutcome:
    """Return the outcome of a module with frames, which its name begins with."""
    named = (one for one in ModuleOutcome if debug_file.startswith(one.name.lower()))
    return next(named, ModuleOutcome.FOUND)


def _answer_module(debug_file: str, is_named: bool) -> module_pb2.ModuleResult:
    outcome = choose_outcome(debug_file) if is_named else ModuleOutcome.NOT_REFERENCED
    return module_pb2.ModuleResult(
        outcome=module_pb2.ModuleOutcome.Value(f"MODULE_OUTCOME_{outcome.name}"),
        skipped_records=len(debug_file) if outcome is ModuleOutcome.FOUND else 0,
    )


def expected_functions(report: Report) -> list[list[str | None]]:
    """Return the functions of the answer to a report."""
    return [[_expect(report, frame) for frame in stack] for stack in report.stacks]


def _expect(report: Report, frame: Any) -> str | None:
    if frame.module_index is None:
        return None
    module = report.modules[frame.module_index].debug_file
    return None if module.startswith("missing") else name_frame(module, frame)
