"""Frames that a run was answered, so that it requests each only once in a while.

Only lasting answers are remembered: frames of modules that were found, and frames in no module.
Modules that are missing, unavailable, malformed or pending are requested each time.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from itertools import repeat
from typing import NamedTuple

from symbolon._batching.joint_calls import NOT_REFERENCED
from symbolon._batching.partial_answers import FoundFrames, PartialAnswer
from symbolon._messages.encoding import EncodedReport
from symbolon.v1 import module_pb2, stack_pb2

MEMORY_BYTES = 48 * 2**20
"""Limit for encoded frames and modules, with Python's overhead."""

_ENTRY_BYTES = 200
"""Overhead of an entry: an integer, its slot in a dictionary, object headers."""

_LASTING = {
    stack_pb2.FRAME_OUTCOME_SYMBOLICATED,
    stack_pb2.FRAME_OUTCOME_NO_SYMBOL,
    stack_pb2.FRAME_OUTCOME_NO_MODULE,
}


class _Known:
    """What is known of a module that the server accepted."""

    __slots__ = ("frames", "result")

    def __init__(self) -> None:
        self.frames: dict[int, bytes] = {}
        """Encoded frames by offset."""
        self.result = NOT_REFERENCED
        """Of the module as found, if there are frames."""


_UNKNOWN = _Known()


class _View(NamedTuple):
    """What is known of the modules of a report, in its order."""

    modules: Sequence[bytes]
    tables: Sequence[dict[int, bytes]]
    """The frames of each module; last, where index -1 finds them, those in no module."""

    results: Sequence[module_pb2.ModuleResult]
    """One for each of the tables."""

    new: Sequence[bytes]
    """The modules that are not known yet."""


class RunMemory:
    """Answers of the last `seconds`, at most `limit` bytes of them. Not thread-safe.

    It is cleared when it is full or its time is over.
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

    def recall(self, report: EncodedReport) -> PartialAnswer:
        """Return what is known of the answer to a report."""
        if self._clock() >= self._until:
            self._forget()
        view = self._view
        if view is None or view.modules is not report.modules:  # consecutive reports share modules
            view = self._view = self._look_at(report.modules)
        frames = list(map(dict.get, map(view.tables.__getitem__, report.indexes), report.offsets))
        unknown = [] if all(frames) else [n for n, frame in enumerate(frames) if frame is None]
        results = [NOT_REFERENCED] * len(view.tables)
        for index in report.named:
            results[index] = view.results[index]
        results.pop()
        return PartialAnswer(report, frames, results, view.new, unknown)

    def _look_at(self, modules: Sequence[bytes]) -> _View:
        known = [*map(self._modules.get, modules, repeat(_UNKNOWN)), self._no_module]
        return _View(
            modules,
            [module.frames for module in known],
            [module.result for module in known],
            [name for name in modules if name not in self._modules],
        )

    def learn(self, found: FoundFrames) -> None:
        """Remember what was found; forget the frames of modules that no longer are."""
        for name, result in found.results.items():
            known = self._add_module(name)
            frames = found.frames[name]
            if result.outcome == module_pb2.MODULE_OUTCOME_FOUND:
                self._keep(known.frames, frames)
                self._keep_result(known, result)
            elif frames:
                known.frames.clear()
        self._keep(self._no_module.frames, found.frames[None])
        if self._bytes > self._limit:
            self._forget()

    def _add_module(self, name: bytes) -> _Known:
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
            known.result = deepcopy(result)  # a part of a response keeps the whole in memory
            self._view = None

    def _forget(self) -> None:
        self._until = self._clock() + self._seconds
        self._bytes = 0
        self._no_module = _Known()
        self._modules: dict[bytes, _Known] = {}
        self._view = None


def _is_lasting(frame: bytes) -> bool:
    # A module found in one call can still be pending in another that is read together with it.
    return stack_pb2.SymbolicatedFrame.FromString(frame).outcome in _LASTING
