"""The fuzz targets withstand what they begin with, and what was found with them."""

import pytest

from tests.fuzz.found import FOUND
from tests.fuzz.targets import TARGETS

EVERY_TARGET = pytest.mark.parametrize("name", TARGETS)


@EVERY_TARGET
def test_a_target_takes_its_seeds_and_pieces_of_them(name: str) -> None:
    target = TARGETS[name]
    seeds = target.seeds()
    assert seeds
    for seed in seeds:
        assert len(seed) <= target.longest
        for end in {0, 1, len(seed) // 2, len(seed) - 1, len(seed)}:
            target.take(seed[:end])


@pytest.mark.parametrize(("target", "data"), FOUND.values(), ids=list(FOUND))
def test_what_was_found_breaks_nothing_any_more(target: str, data: bytes) -> None:
    TARGETS[target].take(data)
