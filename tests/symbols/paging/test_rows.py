"""Operations on many pages at once give the same results as on each page alone."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from symbolon_server.symbols.paging.column_codes import (
    Integers,
    below_next,
    write_columns,
    write_columns_of_pages,
)
from symbolon_server.symbols.paging.rows import PageChains, PageRows, PageRowsOfTwo
from symbolon_server.symbols.reading.inline_chains import NO_INLINE

Pages = list[list[int]]


def pages_of(low: int, high: int, *, pages: int = 5) -> st.SearchStrategy[Pages]:
    """Return the values of each of some pages."""
    return st.lists(st.lists(st.integers(low, high), max_size=12), min_size=1, max_size=pages)


def rows_of(pages: Pages) -> PageRows:
    return PageRows(np.array(list(map(len, pages)), np.int64))


def flat(pages: Pages) -> Integers:
    return np.array([value for page in pages for value in page], np.int64)


def by_page(rows: PageRows, values: Integers) -> Pages:
    return [page.tolist() for page in np.split(values, rows.firsts[1:-1])]


@given(pages_of(-1, 7))
def test_values_are_numbered_in_the_order_of_their_first_use_on_their_page(pages: Pages) -> None:
    rows = rows_of(pages)
    uses = rows.number(flat(pages))
    seen = [list(dict.fromkeys(value for value in page if value >= 0)) for page in pages]
    numbers = [
        [0 if value < 0 else 1 + of_page.index(value) for value in page]
        for page, of_page in zip(pages, seen, strict=True)
    ]
    assert by_page(rows, uses.numbers) == numbers
    assert by_page(uses.rows, uses.values) == seen


@given(pages_of(0, 2**31 - 1))
def test_the_largest_possible_values_can_be_numbered(pages: Pages) -> None:
    uses = rows_of(pages).number(flat(pages))
    assert by_page(uses.rows, uses.values) == [list(dict.fromkeys(page)) for page in pages]


@given(pages_of(0, 9), st.integers(0, 100))
def test_rows_are_counted_from_any_number(pages: Pages, start: int) -> None:
    rows = rows_of(pages)
    starts = start + 10 * np.arange(len(pages))
    expected = [
        list(range(first, first + len(page)))
        for first, page in zip(starts.tolist(), pages, strict=True)
    ]
    assert by_page(rows, rows.count_from(starts)) == expected


@given(pages_of(0, 9), st.data())
def test_places_lead_from_numbers_on_a_page_to_rows_of_all_pages(
    pages: Pages, data: st.DataObject
) -> None:
    rows, values = rows_of(pages), flat(pages)
    page = data.draw(st.integers(0, len(pages) - 1))
    numbers = np.arange(len(pages[page]) + 1)
    places = rows.places(np.full(len(numbers), page), numbers)
    assert places[0] == 0
    assert values[places[1:] - 1].tolist() == pages[page]


@given(st.lists(st.tuples(*(st.lists(st.integers(0, 99), max_size=5),) * 2), min_size=1))
def test_rows_of_two_kinds_are_joined_page_by_page_and_split(
    pairs: list[tuple[list[int], list[int]]],
) -> None:
    ones, others = ([pair[kind] for pair in pairs] for kind in (0, 1))
    both = PageRowsOfTwo(rows_of(ones), rows_of(others))
    joined = both.join(flat(ones), flat(others))
    assert by_page(both.rows, joined) == [one + other for one, other in pairs]
    assert [part.tolist() for part in both.split(joined)] == [
        flat(ones).tolist(),
        flat(others).tolist(),
    ]


@given(pages_of(-1, 20))
def test_below_next_starts_again_on_each_page(pages: Pages) -> None:
    rows = rows_of(pages)
    alone = [below_next(flat([page]), rows_of([page]).page).tolist() for page in pages]
    assert by_page(rows, below_next(flat(pages), rows.page)) == alone


@given(st.lists(pages_of(0, 2**40, pages=4), min_size=1, max_size=4))
def test_columns_of_many_pages_are_written_like_those_of_single_pages(
    columns: list[Pages],
) -> None:
    pages = min(map(len, columns))
    columns = [column[:pages] for column in columns]
    alone = [
        write_columns([flat([column[page]]).view(np.uint64) for column in columns])
        for page in range(pages)
    ]
    given_columns = [(flat(each).view(np.uint64), rows_of(each).firsts) for each in columns]
    assert list(write_columns_of_pages(given_columns)) == alone


def with_those_around(around: list[int], used: list[int]) -> list[int]:
    """Return the distinct chains in `used` and those around them."""
    needed = set()
    for chain in used:
        number = chain
        while number != NO_INLINE:
            needed.add(number)
            number = around[number]
    return sorted(needed)


@given(st.data())
def test_pages_need_the_chains_of_their_ranges_and_those_around(data: st.DataObject) -> None:
    """Chains are ordered as in the table: by first use, each after the one around it."""
    around: list[int] = []
    pages: Pages = []
    for _ in range(data.draw(st.integers(1, 4))):
        used = []
        for _ in range(data.draw(st.integers(1, 6))):
            used.append(data.draw(st.integers(NO_INLINE, len(around) - 1)))
            for _ in range(data.draw(st.integers(0, 3))):
                around.append(data.draw(st.integers(NO_INLINE, len(around) - 1)))
                used.append(len(around) - 1)
        pages.append(used)
    highest = np.maximum.accumulate([max(page) for page in pages])
    new = np.column_stack([np.concatenate([[0], highest[:-1] + 1]), highest + 1])
    rows = rows_of(pages)
    chains = PageChains(np.array(around, np.int32), new, rows, flat(pages))
    needed = [with_those_around(around, page) for page in pages]
    assert by_page(chains.rows, chains.chain) == needed
    numbers = [
        [0 if chain == NO_INLINE else 1 + of_page.index(chain) for chain in page]
        for page, of_page in zip(pages, needed, strict=True)
    ]
    assert by_page(rows, chains.number(rows.page, flat(pages))) == numbers
