"""Tables and pages of SymCaches, compared with a slow model and with `symbolic` itself."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from symbolon_server.symbols.native.reader import read_symcache
from symbolon_server.symbols.paging.writer import write_pages
from tests.symbols.native.symbolic_caches import frames, look_up, needs_symbolic, open_cache
from tests.symbols.native.symcaches import FACTS, SymCache, borders, symcaches
from tests.symbols.read_texts import INGEST, find_in_pages


@settings(deadline=None, max_examples=100)
@given(symcaches(), st.sampled_from([8, 9]))
def test_each_offset_has_the_answer_of_a_walk_through_the_ranges(
    cache: SymCache, version: int
) -> None:
    table = read_symcache(cache.write(version), FACTS, are_demangled=False)
    find = find_in_pages(write_pages(table, "1-0", INGEST, page_weight=5))
    for offset in borders(cache):
        expected = cache.find(offset)
        assert (table.find(offset), find(offset)) == (expected, expected), offset
        if expected is not None:
            found = table.find(offset)
            assert found is not None
            assert (found.function_size, found.is_public) == (
                expected.function_size,
                expected.is_public,
            )


@settings(deadline=None, max_examples=100)
@given(symcaches())
def test_neighbours_of_one_answer_are_one_range_and_all_is_counted(cache: SymCache) -> None:
    table = read_symcache(cache.write(), FACTS, are_demangled=False)
    ranges, symbols = table.ranges, table.symbols
    columns = (ranges.symbol, ranges.chain, ranges.file, ranges.line)
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    assert all(row != after for row, after in pairwise(rows))
    assert table.facts.ranges == len(rows)
    assert table.facts.public_symbols == symbols.is_public.sum()
    assert table.facts.functions + table.facts.public_symbols == len(symbols.start)
    assert (table.facts.os, table.facts.format) == (FACTS.os, FACTS.format)
    assert set(ranges.symbol.tolist()) - {-1} == set(range(len(symbols.start)))
    assert set(ranges.chain.tolist()) - {-1} <= set(range(len(table.chains.around)))


@needs_symbolic
@settings(deadline=None, max_examples=100)
@given(symcaches(are_inlines_named=True))
def test_symbolic_gives_the_same_frames(cache: SymCache) -> None:
    data = cache.write()
    table = read_symcache(data, FACTS, are_demangled=False)
    peer = open_cache(data)
    for offset in borders(cache):
        if offset < 2**63:
            assert frames(table.find(offset)) == look_up(peer, offset), offset
