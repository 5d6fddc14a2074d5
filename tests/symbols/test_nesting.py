"""Spans that overlap, cross and nest, against lists and trees that take them one by one."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from symbolon_server.symbols.crossings import keep_nested
from symbolon_server.symbols.nesting import MAX_DEPTH, NO_PARENT, Nesting, nest
from symbolon_server.symbols.overlaps import find_clusters, keep_first, keep_first_of_many

Spans = list[tuple[int, int]]
"""First and last position of each, in the order of the records."""


def spans(width: int = 20, most: int = 40) -> st.SearchStrategy[Spans]:
    span = st.builds(
        lambda start, length: (start, start + length),
        st.integers(0, width),
        st.integers(0, width // 2),
    )
    return st.lists(span, max_size=most)


extreme_spans = st.lists(
    st.tuples(*[st.sampled_from([0, 1, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1])] * 2).map(
        lambda pair: (min(pair), max(pair))
    ),
    max_size=20,
)


def columns(spans: Spans) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    starts, lasts = [start for start, _ in spans], [last for _, last in spans]
    return np.array(starts, np.uint64), np.array(lasts, np.uint64)


def overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def contains(outer: tuple[int, int], inner: tuple[int, int]) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]


@settings(deadline=None)
@given(st.one_of(spans(), spans(200), extreme_spans))
def test_the_first_of_overlapping_spans_is_kept(given_spans: Spans) -> None:
    kept: Spans = []
    expected = []
    for span in given_spans:
        expected.append(not any(overlap(span, other) for other in kept))
        if expected[-1]:
            kept.append(span)
    assert keep_first(*columns(given_spans)).tolist() == expected
    assert keep_first_of_many(*columns(given_spans)) == expected


@settings(deadline=None)
@given(st.one_of(spans(), spans(200)))
def test_clusters_are_the_spans_that_touch_each_other_directly_or_by_others(
    given_spans: Spans,
) -> None:
    clusters = [set(cluster.tolist()) for cluster in find_clusters(*columns(given_spans))]
    expected: list[set[int]] = []
    for number, span in enumerate(given_spans):
        met = [
            cluster
            for cluster in expected
            if any(overlap(span, given_spans[other]) for other in cluster)
        ]
        expected = [cluster for cluster in expected if cluster not in met]
        expected.append({number}.union(*met))
    large = [cluster for cluster in expected if len(cluster) > 1]
    assert sorted(clusters, key=min) == sorted(large, key=min)


@dataclass
class Node:
    """A range in a tree that takes ranges one by one."""

    number: int
    span: tuple[int, int]
    inner: list["Node"] = field(default_factory=list)

    def put(self, new: "Node") -> bool:
        """Put `new` into this range; return whether it crosses none."""
        for node in self.inner:
            if contains(node.span, new.span):
                return node.put(new)
        met = [node for node in self.inner if overlap(node.span, new.span)]
        if not all(contains(new.span, node.span) for node in met):
            return False
        new.inner = met
        self.inner = [node for node in self.inner if node not in met] + [new]
        return True

    def path_to(self, position: int) -> list[int]:
        """Return the ranges in this one that have `position`, outermost first."""
        for node in self.inner:
            if node.span[0] <= position <= node.span[1]:
                return [node.number, *node.path_to(position)]
        return []


def make_tree(given_spans: Spans) -> tuple[Node, list[bool]]:
    root = Node(-1, (0, 2**64))
    is_kept = [root.put(Node(number, span)) for number, span in enumerate(given_spans)]
    return root, is_kept


def path_to(nesting: Nesting, position: int) -> list[int]:
    """Return what `Node.path_to` does."""
    (place,) = nesting.find_innermost(np.array([position], np.uint64)).tolist()
    depth = int(nesting.depths[place]) if place != NO_PARENT else -1
    path: list[int] = []
    while place != NO_PARENT:
        path.insert(0, int(nesting.order[place]))
        place = int(nesting.parents[place])
    assert len(path) == depth + 1
    return path


@settings(max_examples=300, deadline=None)
@given(st.one_of(spans(), spans(8), spans(200), extreme_spans))
def test_ranges_nest_as_in_a_tree_that_takes_them_one_by_one(given_spans: Spans) -> None:
    tree, is_kept = make_tree(given_spans)
    starts, lasts = columns(given_spans)
    nesting = nest(starts, lasts)
    assert sorted(nesting.order.tolist()) == np.flatnonzero(is_kept).tolist()
    assert keep_nested(starts, lasts) == is_kept
    near = {place for span in given_spans for end in span for place in (end - 1, end, end + 1)}
    for position in near - {-1, 2**64}:
        assert path_to(nesting, position) == tree.path_to(position)


@settings(deadline=None)
@given(st.one_of(spans(8), spans(200)), st.integers(1, 4))
def test_what_nests_too_deep_is_dropped_and_nothing_else(
    given_spans: Spans, max_depth: int
) -> None:
    tree, _ = make_tree(given_spans)
    nesting = nest(*columns(given_spans), max_depth=max_depth)
    for position in range(-1, 210):
        assert path_to(nesting, max(position, 0)) == tree.path_to(max(position, 0))[:max_depth]


def test_only_so_many_levels_are_kept() -> None:
    nesting = nest(*columns([(5, 9)] * (MAX_DEPTH + 1)))
    assert nesting.order.tolist() == list(range(MAX_DEPTH))


def test_no_ranges_nest() -> None:
    nesting = nest(*columns([]))
    assert len(nesting.order) == 0
    assert nesting.find_innermost(np.array([0, 5], np.uint64)).tolist() == [NO_PARENT] * 2


@pytest.mark.parametrize("is_reversed", [False, True])
def test_ranges_nest_as_deep_as_they_come(is_reversed: bool) -> None:
    depth = 20_000
    deep = [(place, 10 * depth - place) for place in range(depth)]
    nesting = nest(*columns(deep[::-1] if is_reversed else deep), max_depth=depth)
    assert nesting.depths.tolist() == list(range(depth))
    assert nesting.parents.tolist() == list(range(-1, depth - 1))
    middle, behind = nesting.find_innermost(np.array([5 * depth, 10 * depth - 7], np.uint64))
    assert (middle, behind) == (depth - 1, 7)


def test_many_equal_ranges_nest_in_the_order_of_their_records() -> None:
    nesting = nest(*columns([(5, 9)] * 20_000), max_depth=20_000)
    assert nesting.order.tolist() == list(range(20_000))
    found = nesting.find_innermost(np.array([4, 5, 9, 10], np.uint64)).tolist()
    assert found == [NO_PARENT, 19_999, 19_999, NO_PARENT]


def test_many_ranges_that_cross_each_other_take_no_time_squared() -> None:
    count = 50_000
    crossing = [(place, place + count) for place in range(count)]
    kept = keep_nested(*columns(crossing))
    assert kept == [True] + [False] * (count - 1)
    stairs = [(2 * place, 2 * place + 2) for place in range(count)]
    assert sum(keep_nested(*columns(stairs))) == count // 2


def test_many_spans_in_a_random_order_that_overlap_take_no_time_squared() -> None:
    count = 50_000
    starts = 16 * np.random.default_rng(1).permutation(count).astype(np.uint64)
    assert keep_first(starts, starts + np.uint64(15)).all()
    assert sum(keep_first_of_many(starts, starts + np.uint64(15))) == count
    kept = keep_first(np.append(starts, 0), np.append(starts + np.uint64(15), 16 * count))
    assert kept.tolist() == [True] * count + [False]
