"""Who asks for an answer, and whether anybody still wants it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

T = TypeVar("T")

IsGone = Callable[[], bool]
"""Tells whether the caller is gone; takes a microsecond at most, and never changes back."""

STEP: Final = 1_024
"""Frames after which it is asked again: a few milliseconds of work."""


class CallerGoneError(Exception):
    """Nobody wants the answer any more."""


def is_never_gone() -> bool:
    """Tell that the caller waits for the answer whatever it takes."""
    return False


def _find_no_name() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who made a call."""

    find_name: Callable[[], str] = _find_no_name
    """Returns what tells this caller from others, whose turns the queue gives; empty for nobody in
    particular. Asked only where something is queued: to find it takes a look at the tokens."""

    is_gone: IsGone = is_never_gone


ANYBODY: Final = Caller()


def refuse_gone(is_gone: IsGone) -> None:
    """Raise `CallerGoneError` where the caller is gone."""
    if is_gone():
        raise CallerGoneError


def in_steps(items: Sequence[T], is_gone: IsGone) -> Iterator[Sequence[T]]:
    """Yield `items`, so many at a time; raise `CallerGoneError` before any, where it is so."""
    for start in range(0, len(items), STEP):
        refuse_gone(is_gone)
        yield items[start : start + STEP]
