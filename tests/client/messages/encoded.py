"""Short constructors of encoded answers."""

from typing import Any

from symbolon import ModuleOutcome
from symbolon._messages.answers import EncodedAnswer
from symbolon.v1.module_pb2 import ModuleOutcome as OutcomeNumber
from symbolon.v1.module_pb2 import ModuleResult
from symbolon.v1.stack_pb2 import InlineFrame, SymbolicatedFrame

__all__ = ["InlineFrame", "make_answer", "make_frame"]


def make_frame(module: str, module_offset: int, function: str = "", **known: Any) -> bytes:
    """Return an encoded frame with the given fields."""
    return SymbolicatedFrame(
        module=module, module_offset=module_offset, function=function, **known
    ).SerializeToString()


def make_answer(stacks: list[list[bytes]], *outcomes: ModuleOutcome) -> EncodedAnswer:
    """Return an answer with these stacks and module outcomes."""
    numbers = [OutcomeNumber.Value(f"MODULE_OUTCOME_{outcome.name}") for outcome in outcomes]
    return EncodedAnswer(stacks, [ModuleResult(outcome=number) for number in numbers])
