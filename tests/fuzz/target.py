"""The interface of a fuzz target."""

from collections.abc import Callable, Sequence
from typing import NamedTuple


class Target(NamedTuple):
    """Code that reads untrusted bytes and must tolerate all of them."""

    take: Callable[[bytes], object]
    """Takes one input; an exception is a finding."""

    seeds: Callable[[], Sequence[bytes]]
    """Returns valid inputs of every kind to start with."""

    longest: int
    """Maximum size of an input: longer ones are slow and find nothing more."""
