"""Builds a module's table from its resolved functions and public symbols."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols.ground.pages import ModuleFacts
from symbolon_server.symbols.reading.columns import Indexes, Offsets, join
from symbolon_server.symbols.reading.inline_chains import NO_CHAINS, NO_INLINE, Chains, order_by_use
from symbolon_server.symbols.reading.named_records import NamedRecords
from symbolon_server.symbols.reading.overlaps import keep_first
from symbolon_server.symbols.reading.records import NO_FILE
from symbolon_server.symbols.reading.resolution import NO_LINE, FunctionSpans, ResolvedRanges
from symbolon_server.symbols.reading.symbol_table import (
    NO_SYMBOL,
    NO_TEXT,
    UNNAMED_ORIGIN,
    Ranges,
    Symbols,
    SymbolTable,
)

_NO_RANGES = ResolvedRanges(
    np.empty(0, np.int64),
    np.empty(0, np.uint64),
    np.empty(0, np.int32),
    np.empty(0, np.int32),
    np.empty(0, np.uint32),
)


def build_table(
    named: NamedRecords, debug_file: str, resolved: list[tuple[ResolvedRanges, Chains]]
) -> SymbolTable:
    """Return a module's table from its named records and its functions, in file order.

    This empties `resolved`, so that a large module's columns are not in memory twice.
    """
    resolved_ranges, chains = _join(resolved)
    resolved.clear()
    functions = FunctionSpans(
        0, np.array(named.function_starts, np.uint64), np.array(named.function_sizes, np.uint64)
    )
    kept = _keep_functions(functions)
    starts, lasts = functions.starts[kept], functions.lasts[kept]
    publics = np.array(sorted(named.public_names), np.uint64)
    inside = _ranges_of_functions(resolved_ranges, kept)
    del resolved_ranges
    ranges = _sort(inside, _ranges_between_functions(starts, lasts, publics))
    del inside
    chain, chains = order_by_use(ranges.chain, chains)
    texts = _TextNumbers(named)
    return SymbolTable(
        ModuleFacts(
            os=named.os,
            architecture=named.architecture,
            module_name=named.code_file or debug_file,
            code_id=named.code_id,
            functions=len(kept),
            public_symbols=len(publics),
            ranges=len(ranges.start),
            skipped_records={str(kind): n for kind, n in sorted(named.skipped.items()) if n},
        ),
        texts.in_ranges(replace(ranges, chain=chain)),
        _make_symbols(named, functions, kept, publics),
        texts.in_chains(chains),
        named.strings.texts,
    )


def _join(resolved: Sequence[tuple[ResolvedRanges, Chains]]) -> tuple[ResolvedRanges, Chains]:
    """Join all groups of functions, with consecutive numbers for their chains."""
    shifted_ranges, shifted_chains = [_NO_RANGES], [NO_CHAINS]
    chains_before = 0
    for ranges, chains in resolved:
        shifted_ranges.append(replace(ranges, chain=_shift(ranges.chain, chains_before)))
        shifted_chains.append(replace(chains, around=_shift(chains.around, chains_before)))
        chains_before += len(chains.around)
    return join(shifted_ranges), join(shifted_chains)


def _shift(chains: NDArray[np.int32], chains_before: int) -> NDArray[np.int32]:
    return np.where(chains == NO_INLINE, chains, chains + np.int32(chains_before))


def _keep_functions(functions: FunctionSpans) -> Indexes:
    """Return the numbers of the functions that are kept, sorted by start."""
    real = np.flatnonzero(functions.are_real)
    kept = real[keep_first(functions.starts[real], functions.lasts[real])]
    return kept[np.argsort(functions.starts[kept])]


def _ranges_of_functions(resolved: ResolvedRanges, kept: Indexes) -> Ranges:
    """Return the ranges of the functions kept; symbols are numbered by position in `kept`."""
    firsts = np.searchsorted(resolved.owner, kept)
    counts = np.searchsorted(resolved.owner, kept, side="right") - firsts
    symbols = np.repeat(np.arange(len(kept), dtype=np.int32), counts)
    rows = np.arange(len(symbols)) + np.repeat(firsts - (np.cumsum(counts) - counts), counts)
    return Ranges(
        resolved.start[rows],
        symbols,
        resolved.chain[rows],
        resolved.file[rows],
        resolved.line[rows],
    )


def _ranges_between_functions(starts: Offsets, lasts: Offsets, publics: Offsets) -> Ranges:
    """Return the ranges outside functions: public symbols, numbered after them, and gaps.

    A public symbol covers offsets up to the next function or public symbol, unless a function
    starts at the same address.
    """
    candidates = np.unique(np.concatenate([lasts + np.uint64(1), publics]))
    function = np.searchsorted(starts, candidates, side="right") - 1
    is_outside = function < 0
    is_outside[~is_outside] = lasts[function[~is_outside]] < candidates[~is_outside]
    candidates, function = candidates[is_outside], function[is_outside]
    public = np.searchsorted(publics, candidates, side="right") - 1
    answers = (public >= 0) & (function < 0)
    both = (public >= 0) & (function >= 0)
    answers[both] = publics[public[both]] > starts[function[both]]
    return Ranges(
        candidates,
        np.where(answers, len(starts) + public, NO_SYMBOL).astype(np.int32),
        np.full(len(candidates), NO_INLINE, np.int32),
        np.full(len(candidates), NO_FILE, np.int32),
        np.full(len(candidates), NO_LINE, np.uint32),
    )


def _sort(inside: Ranges, outside: Ranges) -> Ranges:
    """Merge ranges within functions and outside of them, both sorted, by start."""
    places = np.searchsorted(inside.start, outside.start)
    return Ranges(
        np.insert(inside.start, places, outside.start),
        np.insert(inside.symbol, places, outside.symbol),
        np.insert(inside.chain, places, outside.chain),
        np.insert(inside.file, places, outside.file),
        np.insert(inside.line, places, outside.line),
    )


def _make_symbols(
    named: NamedRecords, functions: FunctionSpans, kept: Indexes, publics: Offsets
) -> Symbols:
    names = np.array(named.function_names, np.int64)[kept]
    multiples = np.frombuffer(bytes(named.function_multiples), np.bool_)[kept]
    public_symbols = [named.public_names[public] for public in publics.tolist()]
    return Symbols(
        np.concatenate([functions.starts[kept], publics]),
        np.concatenate([functions.sizes[kept], np.zeros(len(publics), np.uint64)]),
        np.concatenate([names, [name for name, _ in public_symbols]]).astype(np.int32),
        np.concatenate([multiples, [multiple for _, multiple in public_symbols]]).astype(np.bool_),
        np.arange(len(kept) + len(publics)) >= len(kept),
    )


class _TextNumbers:
    """Translates FILE and INLINE_ORIGIN numbers into numbers of texts."""

    def __init__(self, named: NamedRecords) -> None:
        self._files = _Lookup(named.files)
        self._origins = _Lookup(named.origins)
        self._unnamed = named.strings.put(UNNAMED_ORIGIN)

    def in_ranges(self, ranges: Ranges) -> Ranges:
        """Return `ranges` with texts as files; an unknown file is `NO_TEXT`."""
        files = self._files.find(ranges.file, NO_TEXT)
        return Ranges(ranges.start, ranges.symbol, ranges.chain, files, ranges.line)

    def in_chains(self, chains: Chains) -> Chains:
        """Return `chains` with texts as origins and files; an unknown file is `NO_TEXT`."""
        return Chains(
            chains.around,
            self._origins.find(chains.origin, self._unnamed),
            chains.call_line,
            self._files.find(chains.call_file, NO_TEXT),
        )


class _Lookup:
    """An immutable dictionary of small numbers for lookups of whole columns."""

    def __init__(self, numbers: dict[int, int]) -> None:
        """Keep `numbers` sorted; an empty dictionary gets an entry for a key that never occurs."""
        pairs = sorted(numbers.items())
        self._keys = np.array([key for key, _ in pairs] or [np.iinfo(np.int32).min], np.int32)
        self._values = np.array([value for _, value in pairs] or [0], np.int32)

    def find(self, keys: NDArray[np.int32], missing: int) -> NDArray[np.int32]:
        """Return the value of each key, or `missing`; shape (keys,)."""
        places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        found: NDArray[np.int32] = np.where(
            self._keys[places] == keys, self._values[places], np.int32(missing)
        )
        return found
