"""What a run was answered, so that it does not ask for the same frames again and again.

Only what stays as it is is remembered: frames of modules that were found, and frames in no module.
What says that a module is missing, unavailable, malformed or pending is asked each time.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import repeat

from symbolon._batching.joint_calls import NOT_REFERENCED
from symbolon._batching.questions import Findings, Recalled
from symbolon._messages.encoding import EncodedReport
from symbolon.v1 import module_pb2, stack_pb2

MEMORY_BYTES = 48 * 2**20
"""Of encoded frames and modules, with what Python needs for each."""

_ENTRY_BYTES = 200
"""What an entry takes beside its bytes: an integer, its place in a dictionary, headers."""

_LASTING = {
    stack_pb2.FRAME_OUTCOME_SYMBOLICATED,
    stack_pb2.FRAME_OUTCOME_NO_SYMBOL,
    stack_pb2.FRAME_OUTCOME_NO_MODULE,
}


class _Known:
    """What is known of a module that a server did not refuse."""

    __slots__ = ("frames", "result")

    def __init__(self) -> None:
        self.frames: dict[int, bytes] = {}
        """By offset, each encoded."""
        self.result = NOT_REFERENCED
        """Is that of a found module when there are frames."""


_UNKNOWN = _Known()


@dataclass(frozen=True, slots=True)
class _View:
    """What is known of the modules of a report, in its order."""

    modules: Sequence[bytes]
    tables: Sequence[dict[int, bytes]]
    """The frames of each module; at the end, where -1 is found, those in no module."""

    results: Sequence[module_pb2.ModuleResult]
    """One for each of the tables."""

    new: Sequence[bytes]
    """The modules of which nothing is known."""


class RunMemory:
    """What was answered within the last `seconds`, at most `limit` bytes of it.

    When it is full, or has become too old, all of it is forgotten. For one thread.
    """

    def __init__(
        self,
        seconds: float,
        limit: int = MEMORY_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._limit = limit
        self._clock = clock
        self._view: _View | None = None
        self._forget()

    def recall(self, report: EncodedReport) -> Recalled:
        """Return what is known of a report."""
        if self._clock() >= self._until:
            self._forget()
        view = self._view
        if view is None or view.modules is not report.modules:  # reports alike come in a row
            view = self._view = self._look_at(report.modules)
        frames = list(map(dict.get, map(view.tables.__getitem__, report.indexes), report.offsets))
        unknown = [] if all(frames) else [n for n, frame in enumerate(frames) if frame is None]
        results = [NOT_REFERENCED] * len(view.tables)
        for index in report.named:
            results[index] = view.results[index]
        results.pop()
        return Recalled(report, frames, results, view.new, unknown)

    def _look_at(self, modules: Sequence[bytes]) -> _View:
        known = [*map(self._modules.get, modules, repeat(_UNKNOWN)), self._no_module]
        return _View(
            modules,
            [module.frames for module in known],
            [module.result for module in known],
            [name for name in modules if name not in self._modules],
        )

    def learn(self, findings: Findings) -> None:
        """Remember what was found; forget modules that are not found any more."""
        for name, result in findings.results.items():
            known = self._take(name)
            frames = findings.frames[name]
            if result.outcome == module_pb2.MODULE_OUTCOME_FOUND:
                self._keep(known.frames, frames)
                self._keep_result(known, result)
            elif frames:
                known.frames.clear()
        self._keep(self._no_module.frames, findings.frames[None])
        if self._bytes > self._limit:
            self._forget()

    def _take(self, name: bytes) -> _Known:
        known = self._modules.get(name)
        if known is None:
            known = self._modules[name] = _Known()
            self._bytes += len(name) + _ENTRY_BYTES
            self._view = None
        return known

    def _keep(self, table: dict[int, bytes], frames: Mapping[int, bytes]) -> None:
        for offset, frame in frames.items():
            if offset not in table and _is_lasting(frame):
                table[offset] = frame
                self._bytes += len(frame) + _ENTRY_BYTES

    def _keep_result(self, known: _Known, result: module_pb2.ModuleResult) -> None:
        if known.result != result:
            known.result = deepcopy(result)  # a part of a response keeps all of it in memory
            self._view = None

    def _forget(self) -> None:
        self._until = self._clock() + self._seconds
        self._bytes = 0
        self._no_module = _Known()
        self._modules: dict[bytes, _Known] = {}
        self._view = None


def _is_lasting(frame: bytes) -> bool:
    # A module that is found in one call can still be pending in another that is read with it.
    return stack_pb2.SymbolicatedFrame.FromString(frame).outcome in _LASTING
