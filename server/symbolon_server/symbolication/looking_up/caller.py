"""The caller of a call: its name, and whether it still waits for the answer."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

T = TypeVar("T")

IsGone = Callable[[], bool]
"""Returns whether the caller is gone; takes a microsecond at most, and never changes back."""

STEP: Final = 1_024
"""Frames between two checks: a few milliseconds of work."""


class CallerGoneError(Exception):
    """The answer is not needed any more."""


def is_never_gone() -> bool:
    """Return False: the caller waits for the answer, however long it takes."""
    return False


def _find_no_name() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a call."""

    find_name: Callable[[], str] = _find_no_name
    """Returns a name to share the queue fairly between callers, or an empty string. It is called
    only if an ingest is queued: it has to look at the tokens."""

    is_gone: IsGone = is_never_gone


ANYBODY: Final = Caller()


def refuse_gone(is_gone: IsGone) -> None:
    """Raise `CallerGoneError` if the caller is gone."""
    if is_gone():
        raise CallerGoneError


def in_steps(items: Sequence[T], is_gone: IsGone) -> Iterator[Sequence[T]]:
    """Yield `items`, `STEP` at a time; raise `CallerGoneError` once the caller is gone."""
    for start in range(0, len(items), STEP):
        refuse_gone(is_gone)
        yield items[start : start + STEP]
