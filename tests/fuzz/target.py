"""What a fuzz target is."""

from collections.abc import Callable, Sequence
from typing import NamedTuple


class Target(NamedTuple):
    """Something that takes bytes from strangers and must cope with all of them."""

    take: Callable[[bytes], object]
    """Takes one input; raises nothing but what it promises not to."""

    seeds: Callable[[], Sequence[bytes]]
    """Returns inputs to begin with: good ones, of every kind."""

    longest: int
    """Bytes of an input at most: longer ones find nothing that these do not, and slowly."""
