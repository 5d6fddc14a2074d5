"""Tables on standard output: drawn by rich on a terminal if it is installed, else plain."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

Row = Sequence[str]


def show_table(headings: Row, rows: Sequence[Row]) -> None:
    """Print a table."""
    if sys.stdout.isatty() and _draw(headings, rows):
        return
    sys.stdout.writelines(f"{line}\n" for line in write_table(headings, rows))


def write_table(headings: Row, rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of a plain table: columns two spaces apart, numbers right-aligned."""
    table = [headings, *rows]
    columns = list(zip(*table, strict=True))
    widths = [max(map(len, column)) for column in columns]
    are_numbers = [all(map(_is_number, column[1:])) for column in columns]
    for row in table:
        cells = [
            cell.rjust(width) if is_number else cell.ljust(width)
            for cell, width, is_number in zip(row, widths, are_numbers, strict=True)
        ]
        yield "  ".join(cells).rstrip()


def _is_number(cell: str) -> bool:
    return not cell.strip("0123456789,.%- ")


def _draw(headings: Row, rows: Sequence[Row]) -> bool:
    """Draw a table with rich; return whether it is installed."""
    try:
        from rich.console import Console  # noqa: PLC0415 # only the extra `cli` installs it
        from rich.table import Table  # noqa: PLC0415 # the same
        from rich.text import Text  # noqa: PLC0415 # the same
    except ImportError:
        return False
    table = Table(*headings)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # names must not be read as markup
    Console().print(table)
    return True
