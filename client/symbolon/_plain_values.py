"""Results as what JSON knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any


def make_plain(value: object) -> Any:
    """Return a result with its field names; members of enums are their names in lower case."""
    if is_dataclass(value):
        return {field.name: make_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): make_plain(content) for key, content in value.items()}
    if isinstance(value, tuple | list):
        return [make_plain(content) for content in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value.name.lower() if isinstance(value, Enum) else value
