"""Whether anybody still wants an answer."""

from collections.abc import Callable, Iterator, Sequence
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


def refuse_gone(is_gone: IsGone) -> None:
    """Raise `CallerGoneError` where the caller is gone."""
    if is_gone():
        raise CallerGoneError


def in_steps(items: Sequence[T], is_gone: IsGone) -> Iterator[Sequence[T]]:
    """Yield `items`, so many at a time; raise `CallerGoneError` before any, where it is so."""
    for start in range(0, len(items), STEP):
        refuse_gone(is_gone)
        yield items[start : start + STEP]
