"""One call for several reports: each module is sent once, and each report gets its own answer."""

import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Any, NamedTuple

from google.protobuf.duration_pb2 import Duration

from symbolon._messages.answers import EncodedAnswer
from symbolon._messages.encoding import EncodedReport, encode_frames
from symbolon._messages.raw_messages import RawRequest, RawResponse, new_request
from symbolon.errors import ServerDefectError
from symbolon.v1 import module_pb2


class CallSize(NamedTuple):
    """How large a call may grow."""

    frames: int = 2_000
    """And stacks: enough that the cost of a call does not matter, few enough to hold the answers of
    several calls, in which a frame can take some kilobytes."""

    modules: int = 4_000
    """Below the server's default limit of 5,000."""

    held: int = 16_000
    """Frames and stacks of the reports that share a call, remembered ones included."""

    def has_room_for(self, report: EncodedReport) -> bool:
        """Return whether a report fits into a call of this size."""
        return report.size <= self.frames and len(report.modules) <= self.modules


CALL_SIZE = CallSize()


class CallOptions(NamedTuple):
    """What all calls for some reports have in common."""

    max_wait: Duration | None = None
    with_linkage_names: bool = False


NO_OPTIONS = CallOptions()

NOT_REFERENCED = module_pb2.ModuleResult(outcome=module_pb2.MODULE_OUTCOME_NOT_REFERENCED)


_MODULE = re.compile(r"modules\[(\d+)\](.*)")
_FRAME = re.compile(r"stacks\[(\d+)\]\.frames\[(\d+)\](.*)")
_STACK = re.compile(r"stacks\[(\d+)\](.*)")


class StackPlace(NamedTuple):
    """Where a stack of a call begins in its report."""

    stack: int
    frame: int


class FieldNames(NamedTuple):
    """Where the parts of a call are in its report."""

    modules: Mapping[int, int]
    """Index in the call to first index in the report."""

    stacks: Sequence[StackPlace] | None = None
    """One for each stack of the call; `None` if they are those of the report."""

    def name(self, field: str) -> str:
        """Return a field's path in the report; unchanged if it is in no module or stack."""
        try:
            if module := _MODULE.fullmatch(field):
                return f"modules[{self.modules[int(module[1])]}]{module[2]}"
            return field if self.stacks is None else _name_in_stack(field, self.stacks)
        except LookupError:
            return field


def _name_in_stack(field: str, stacks: Sequence[StackPlace]) -> str:
    if frame := _FRAME.fullmatch(field):
        begin = stacks[int(frame[1])]
        return f"stacks[{begin.stack}].frames[{begin.frame + int(frame[2])}]{frame[3]}"
    if stack := _STACK.fullmatch(field):
        return f"stacks[{stacks[int(stack[1])].stack}]{stack[2]}"
    return field


class _Share(NamedTuple):
    """The part of one report in a call."""

    lengths: Sequence[int]
    """Number of frames of each of its stacks."""

    positions: Sequence[int]
    """Index in the call of each of its modules."""

    named: AbstractSet[int]
    """Indexes of the modules that its own frames refer to; other reports may refer to more."""


class JointCall:
    """One request that grows by whole reports."""

    def __init__(
        self,
        options: CallOptions = NO_OPTIONS,
        *,
        size: CallSize = CALL_SIZE,
        with_diagnostics: bool = False,
    ) -> None:
        self.request: RawRequest = new_request()
        self.request.with_diagnostics = with_diagnostics
        self.request.with_linkage_names = options.with_linkage_names
        if options.max_wait is not None:
            # Zero counts as set. The class is not that of the generated code, so no CopyFrom.
            self.request.max_wait.SetInParent()
            self.request.max_wait.MergeFromString(options.max_wait.SerializeToString())
        self._size = size
        self._positions: dict[bytes, int] = {}
        self._frames = 0
        self._shares: list[_Share] = []

    def has_room_for(self, report: EncodedReport) -> bool:
        """Return whether the call stays within its size."""
        return (
            self._frames + report.size <= self._size.frames
            and len(self._positions) + len(report.modules) <= self._size.modules
        )

    def add(self, report: EncodedReport) -> None:
        """Add a report to the call."""
        known = self._positions
        first_new = len(known)
        positions = [known.setdefault(module, len(known)) for module in report.modules]
        self.request.modules.extend(islice(known, first_new, None))
        frames = encode_frames(report, positions)
        for length in report.lengths:
            self.request.stacks.add().frames.extend(islice(frames, length))
        self._shares.append(_Share(report.lengths, positions, report.named))
        self._frames += report.size

    def find_modules(self) -> dict[int, int]:
        """Return for each module its first index in the only report of this call."""
        (share,) = self._shares
        places = list(enumerate(share.positions))
        return {position: place for place, position in reversed(places)}

    def read(self, response: RawResponse) -> Iterator[EncodedAnswer]:
        """Yield the answer to each report; raise `ServerDefectError` if the shapes differ."""
        stacks = [stack.frames for stack in response.stacks]
        expected = [length for share in self._shares for length in share.lengths]
        if list(map(len, stacks)) != expected or len(response.modules) != len(self._positions):
            raise ServerDefectError("the response does not match the request")
        remaining = iter(stacks)
        results = list(response.modules)
        for share in self._shares:
            yield EncodedAnswer(
                list(islice(remaining, len(share.lengths))),
                [
                    results[position] if index in share.named else NOT_REFERENCED
                    for index, position in enumerate(share.positions)
                ],
                _diagnostics_for(share, response),
            )


def _diagnostics_for(share: _Share, response: RawResponse) -> Any:
    """Return the diagnostics with one entry for each module of the report, or `None`."""
    if not response.HasField("diagnostics"):
        return None
    diagnostics = response.diagnostics
    entries = [diagnostics.modules[position] for position in share.positions]
    diagnostics.ClearField("modules")
    diagnostics.modules.extend(entries)
    return diagnostics
