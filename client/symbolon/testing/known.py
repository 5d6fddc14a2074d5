"""The canned answers of a fake server: modules and frames that a test has set."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

from symbolon._module_ids import last_part, normalise_debug_id
from symbolon.v1.module_pb2 import Module, ModuleOutcome, ModuleResult
from symbolon.v1.stack_pb2 import Frame, FrameOutcome, SymbolicatedFrame
from symbolon.v1.symbolication_service_pb2 import SymbolicateRequest, SymbolicateResponse

Key = tuple[str, str]
"""Debug file, and normalised debug id."""

_FRAME_OUTCOMES = {
    ModuleOutcome.MODULE_OUTCOME_FOUND: FrameOutcome.FRAME_OUTCOME_NO_SYMBOL,
    ModuleOutcome.MODULE_OUTCOME_MISSING: FrameOutcome.FRAME_OUTCOME_MODULE_MISSING,
    ModuleOutcome.MODULE_OUTCOME_UNAVAILABLE: FrameOutcome.FRAME_OUTCOME_MODULE_UNAVAILABLE,
    ModuleOutcome.MODULE_OUTCOME_MALFORMED: FrameOutcome.FRAME_OUTCOME_MODULE_MALFORMED,
    ModuleOutcome.MODULE_OUTCOME_PENDING: FrameOutcome.FRAME_OUTCOME_MODULE_PENDING,
}
"""Of frames without a canned answer."""

_MISSING = ModuleResult(outcome=ModuleOutcome.MODULE_OUTCOME_MISSING, detail="no supplier has it")
_NOT_REFERENCED = ModuleResult(outcome=ModuleOutcome.MODULE_OUTCOME_NOT_REFERENCED)


class Known:
    """Canned answers by module and offset. Thread-safe: a lock is held for each access."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._modules: dict[Key, ModuleResult] = {}
        self._frames: dict[tuple[Key, int], SymbolicatedFrame] = {}
        self._missed: Counter[Key] = Counter()

    def put_module(self, key: Key, result: ModuleResult) -> None:
        """Set the result of a module."""
        with self._lock:
            self._modules[key] = result

    def put_frame(self, key: Key, offset: int, frame: SymbolicatedFrame) -> None:
        """Set the answer for an offset of a module, which counts as found."""
        found = ModuleResult(outcome=ModuleOutcome.MODULE_OUTCOME_FOUND)
        with self._lock:
            self._modules.setdefault(key, found)
            self._frames[key, offset] = frame

    def forget(self, key: Key) -> None:
        """Remove all answers for a module."""
        with self._lock:
            self._modules.pop(key, None)
            for place in [place for place in self._frames if place[0] == key]:
                del self._frames[place]

    def find_module(self, key: Key) -> ModuleResult:
        """Return the result of a module: missing unless one was set."""
        with self._lock:
            return self._modules.get(key, _MISSING)

    def list_missed(self) -> list[tuple[Key, int]]:
        """Return the missing modules with their number of requests, most requested first."""
        with self._lock:
            return self._missed.most_common()

    def answer(self, request: SymbolicateRequest) -> SymbolicateResponse:
        """Return the answer to a request."""
        keys = [make_key(module) for module in request.modules]
        response = SymbolicateResponse()
        for stack in request.stacks:
            response.stacks.add().frames.extend(
                self.find_frame(keys, each) for each in stack.frames
            )
        named = {
            frame.module_index
            for stack in request.stacks
            for frame in stack.frames
            if frame.HasField("module_index")
        }
        for index, key in enumerate(keys):
            result = self.find_module(key) if index in named else _NOT_REFERENCED
            response.modules.append(result)
            if result.outcome == ModuleOutcome.MODULE_OUTCOME_MISSING:
                self._count_missed(key)
        return response

    def find_frame(self, keys: Sequence[Key], asked: Frame) -> SymbolicatedFrame:
        """Return the answer to one frame; a return address is looked up one byte before."""
        answer = SymbolicatedFrame(module_offset=asked.module_offset)
        if not asked.HasField("module_index"):
            answer.module = "<unknown>"
            answer.outcome = FrameOutcome.FRAME_OUTCOME_NO_MODULE
            return answer
        key = keys[asked.module_index]
        outcome = self.find_module(key).outcome
        answer.module = key[0]
        answer.outcome = _FRAME_OUTCOMES[outcome]
        with self._lock:
            known = self._frames.get((key, asked.module_offset - asked.is_return_address))
        if known is not None and outcome == ModuleOutcome.MODULE_OUTCOME_FOUND:
            answer.MergeFrom(known)
        return answer

    def _count_missed(self, key: Key) -> None:
        with self._lock:
            self._missed[key] += 1


def make_key(module: Module) -> Key:
    """Return the key of a module; its code file stands in for an empty debug file."""
    return module.debug_file or last_part(module.code_file), normalise_debug_id(module.debug_id)
