"""Values as text: JSON for programs, lines and cells of tables for people."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any


def write_json(value: object) -> str:
    """Return a result as one line of JSON, with its field names, and outcomes in lower case."""
    return json.dumps(make_plain(value))


def make_plain(value: object) -> Any:
    """Return a result as what JSON knows."""
    if is_dataclass(value):
        return {field.name: make_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): make_plain(content) for key, content in value.items()}
    if isinstance(value, tuple | list):
        return [make_plain(content) for content in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value.name.lower() if isinstance(value, Enum) else value


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
