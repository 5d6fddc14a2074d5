"""Tables drawn by rich."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text


def draw_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on standard output."""
    table = Table(*headings)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # nothing in a name is markup
    Console().print(table)
