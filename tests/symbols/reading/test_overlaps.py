"""Overlapping spans, compared with a model that adds them one by one."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from symbolon_server.symbols.reading.overlaps import find_clusters, keep_first, keep_first_of_many

Spans = list[tuple[int, int]]
"""First and last position of each span, in file order."""


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
def test_clusters_are_spans_that_touch_directly_or_through_others(
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


def test_many_overlapping_spans_in_random_order_take_no_quadratic_time() -> None:
    count = 50_000
    starts = 16 * np.random.default_rng(1).permutation(count).astype(np.uint64)
    assert keep_first(starts, starts + np.uint64(15)).all()
    assert sum(keep_first_of_many(starts, starts + np.uint64(15))) == count
    kept = keep_first(np.append(starts, 0), np.append(starts + np.uint64(15), 16 * count))
    assert kept.tolist() == [True] * count + [False]
