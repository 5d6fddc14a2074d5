"""What a page says of one offset, and why: the ranges around it and the symbol that decides."""

from collections.abc import Callable

from symbolon_server.symbolication.explaining.explanation import (
    DecidingSymbol,
    ExplainedRange,
    Verdict,
)
from symbolon_server.symbols.paging.reader import Page

ReadPage = Callable[[int], Page | None]
"""Returns the page of this number of the module, None where no tier has it."""


def explain_ranges(page: Page, row: int, around: int) -> list[ExplainedRange]:
    """Return the range in `row` and as many as `around` on either side of it, ascending."""
    rows = range(max(0, row - around), min(len(page.range_start), row + around + 1))
    return [
        ExplainedRange(int(page.range_start[r]), _end_of(page, r), r == row, page.answer(r))
        for r in rows
    ]


def judge(
    page: Page, row: int, number: int, read_page: ReadPage
) -> tuple[Verdict, DecidingSymbol | None]:
    """Return why a public symbol answers for the range in `row`, or does not.

    Pages before `number` are read where the symbol before a gap is in one of them.
    """
    found = page.answer(row)
    if found is not None:
        verdict = Verdict.TAKEN if found.is_public else Verdict.FUNCTION_COVERS
        return verdict, _deciding(page, row)
    # A public symbol would reach up to here: what ended before is a function. A module's first
    # range is no gap, so that there is one.
    before: Page | None = page
    while before is not None:
        for earlier in range(row - 1, -1, -1):
            if before.answer(earlier) is not None:
                return Verdict.FUNCTION_BETWEEN, _deciding(before, earlier)
        number -= 1
        before = read_page(number) if number >= 0 else None
        row = 0 if before is None else len(before.range_start)
    return Verdict.FUNCTION_BETWEEN, None


def _deciding(page: Page, row: int) -> DecidingSymbol:
    answer = page.answer(row)
    assert answer is not None  # noqa: S101 - the caller has looked
    symbol = page.symbol(row)
    after = row
    while after < len(page.range_start) and page.symbol(after) == symbol:
        after += 1
    is_known = after < len(page.range_start)
    return DecidingSymbol(answer, int(page.range_start[after]) if is_known else None)


def _end_of(page: Page, row: int) -> int | None:
    return int(page.range_start[row + 1]) if row + 1 < len(page.range_start) else None
