"""Results as JSON, for programs that read what `symbolon` prints."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any


def write_json(value: object) -> str:
    """Return a result as one line: fields as they are called, outcomes in lower case."""
    return json.dumps(make_plain(value))


def make_plain(value: object) -> Any:
    """Return a result as what JSON knows."""
    if is_dataclass(value):
        return {field.name: make_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): make_plain(content) for key, content in value.items()}
    if isinstance(value, tuple | list):
        return [make_plain(content) for content in value]
    return value.isoformat() if isinstance(value, datetime) else write_word(value)


def write_word(value: object) -> Any:
    """Return the name of an outcome and the like as a word; all else as it is."""
    return value.name.lower() if isinstance(value, Enum) else value
