"""Values as text: JSON for programs, lines and tables for people.

Tables are drawn by rich on a terminal if it is installed, else plain.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from symbolon._plain_values import make_plain


def write_json(value: object) -> str:
    """Return a result as one line of JSON, with its field names, and outcomes in lower case."""
    return json.dumps(make_plain(value))


def write_facts(value: object, indent: str = "") -> Iterator[str]:
    """Yield one line for each value that is set, nested ones indented below their name."""
    for name, content in _read_facts(value):
        label = f"{indent}{name.replace('_', ' ')}"
        if content is None or content in ("", (), {}):
            continue
        if is_dataclass(content) or isinstance(content, Mapping | tuple):
            yield f"{label}:"
            yield from write_facts(content, indent + "  ")
        else:
            yield f"{label}: {write_fact(content)}"


def _read_facts(value: object) -> Iterator[tuple[str, Any]]:
    if is_dataclass(value):
        yield from ((field.name, getattr(value, field.name)) for field in fields(value))
    elif isinstance(value, Mapping):
        yield from ((str(key), content) for key, content in value.items())
    elif isinstance(value, tuple):
        yield from ((str(position), content) for position, content in enumerate(value, 1))


def write_fact(value: object) -> str:  # noqa: PLR0911 - one for each kind of value
    """Return one value; empty for `None`."""
    match value:
        case None:
            return ""
        case Enum():
            return value.name.lower().replace("_", " ")
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.3f}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S} UTC"
        case _:
            return str(value)


def write_bytes(count: int) -> str:
    """Return a size in the largest unit that leaves a number of 1 or more."""
    size, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1_024:  # noqa: PLR2004 # of any unit in the next
            break
        size, unit = size / 1_024, larger
    return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"


def write_ratio(hits: int, misses: int) -> str:
    """Return the share of hits; empty if nothing was looked up."""
    return f"{100 * hits / (hits + misses):.1f} %" if hits + misses else ""


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
