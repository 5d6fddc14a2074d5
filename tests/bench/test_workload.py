"""The crash workload is what its parameters say."""

import numpy as np
import pytest

from tests.bench.world.workload import STAYS, Workload

PAGES = [np.array([0]), np.arange(7), np.arange(80) // 2]
"""On which page the functions of each module are looked up."""


def draw(lookups: int = 60_000, exponent: float = 1.0) -> Workload:
    return Workload.draw(np.random.default_rng(1), lookups, 6, PAGES, exponent)


def test_all_lookups_are_in_pages_that_there_are() -> None:
    workload = draw()
    assert workload.build.min() == 0
    assert workload.build.max() == 5
    assert set(workload.module.tolist()) == {0, 1, 2}
    assert (workload.page >= 0).all()
    pages = np.array([module.max() + 1 for module in PAGES])
    assert (workload.page < pages[workload.module]).all()


def test_each_function_of_a_page_adds_to_how_often_it_is_asked_for() -> None:
    workload = draw(exponent=0.0)
    asked = np.bincount(workload.page[workload.module == 1], minlength=7)
    assert asked / asked.sum() == pytest.approx(np.full(7, 1 / 7), abs=0.02)


def test_the_first_module_is_asked_for_as_often_as_zipf_says() -> None:
    share = (draw().module == 0).mean()
    assert share == pytest.approx(1 / (1 + 1 / 2 + 1 / 3), abs=0.01)


def test_a_page_keeps_its_rank_from_build_to_build() -> None:
    workload = draw()
    hottest = {
        int(np.bincount(workload.page[(workload.module == 2) & (workload.build == build)]).argmax())
        for build in range(6)
    }
    assert len(hottest) == 1


def test_builds_go_out_of_use() -> None:
    workload = draw()
    while_third_is_newest = workload.build[20_000:30_000]
    counts = np.bincount(while_third_is_newest, minlength=6)
    assert counts[3:].sum() == 0
    assert counts[1] / counts[2] == pytest.approx(STAYS, abs=0.05)


def test_ranks_drawn_anew_give_each_build_another_hottest_page() -> None:
    drawn = Workload.draw(np.random.default_rng(1), 60_000, 6, PAGES, 1.5, is_drawn_anew=True)
    hottest = {
        int(np.bincount(drawn.page[(drawn.module == 2) & (drawn.build == build)]).argmax())
        for build in range(6)
    }
    assert len(hottest) > 3


def test_a_function_is_on_its_page() -> None:
    drawn = draw()
    for module, pages in enumerate(PAGES):
        rows = drawn.module == module
        assert (pages[drawn.function[rows]] == drawn.page[rows]).all()
