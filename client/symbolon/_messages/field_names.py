"""What the fields of a call are called in the report that the call was made of."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

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
    """Of each position in the call, the first in the report."""

    stacks: Sequence[StackPlace] | None = None
    """For each stack of the call; `None`: they are those of the report."""

    def name(self, field: str) -> str:
        """Return a field's path in the report; the same where it is in no part of the call."""
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
