"""Chains in order of first use, compared with a model made of dictionaries."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from symbolon_server.symbols.reading.inline_chains import NO_INLINE, Chains, order_by_use


@st.composite
def chains(draw: st.DrawFn) -> Chains:
    """Return chains each of which is only around later ones, with distinct origins."""
    count = draw(st.integers(0, 15))
    around = [draw(st.integers(NO_INLINE, number - 1)) for number in range(count)]
    numbers = np.arange(count)
    return Chains(
        np.array(around, np.int32),
        (100 + numbers).astype(np.int32),
        (200 + numbers).astype(np.uint32),
        (300 + numbers).astype(np.int32),
    )


def path(chains: Chains, chain: int) -> list[tuple[int, int, int]]:
    """Return what a chain consists of, innermost first."""
    steps = []
    while chain != NO_INLINE:
        steps.append(
            (
                int(chains.origin[chain]),
                int(chains.call_line[chain]),
                int(chains.call_file[chain]),
            )
        )
        chain = int(chains.around[chain])
    return steps


@settings(deadline=None)
@given(st.data(), chains())
def test_chains_are_ordered_by_first_use_and_unchanged(
    data: st.DataObject, given_chains: Chains
) -> None:
    count = len(given_chains.around)
    used = data.draw(st.lists(st.integers(NO_INLINE, count - 1), max_size=20))
    numbers, ordered = order_by_use(np.array(used, np.int32), given_chains)
    expected = [path(given_chains, chain) for chain in used]
    assert [path(ordered, number) for number in numbers.tolist()] == expected
    seen = dict.fromkeys(step for steps in expected for step in reversed(steps))
    assert [path(ordered, number)[0] for number in range(len(ordered.around))] == list(seen)
    assert (ordered.around < np.arange(len(ordered.around))).all()
