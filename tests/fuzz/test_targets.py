"""The fuzz targets tolerate their seeds and earlier findings."""

import psutil
import pytest

from tests.fuzz.found import FOUND
from tests.fuzz.targets import TARGETS

MOST_GROWTH = 4 << 20
EVERY_TARGET = pytest.mark.parametrize("name", TARGETS)


@pytest.mark.promise("Arbitrary bytes break none of the readers", group="limits")
@EVERY_TARGET
def test_a_target_accepts_its_seeds_and_pieces_of_them(name: str) -> None:
    target = TARGETS[name]
    seeds = target.seeds()
    assert seeds
    for seed in seeds:
        assert len(seed) <= target.longest
        for end in {0, 1, len(seed) // 2, len(seed) - 1, len(seed)}:
            target.take(seed[:end])


@pytest.mark.promise("Arbitrary bytes break none of the readers")
@EVERY_TARGET
def test_a_target_keeps_no_memory(name: str) -> None:
    """Atheris cannot detect that, as it keeps some memory itself."""
    target = TARGETS[name]
    pieces = [seed[: len(seed) * part // 4] for seed in target.seeds()[::3] for part in (2, 4)]

    def take_all(times: int) -> int:
        for _ in range(times):
            for piece in pieces:
                target.take(piece)
        return psutil.Process().memory_info().rss

    before = take_all(times=2)
    assert take_all(times=5) - before < MOST_GROWTH


@pytest.mark.promise("Arbitrary bytes break none of the readers")
@pytest.mark.parametrize(("target", "data"), FOUND.values(), ids=list(FOUND))
def test_inputs_found_before_break_nothing(target: str, data: bytes) -> None:
    TARGETS[target].take(data)
