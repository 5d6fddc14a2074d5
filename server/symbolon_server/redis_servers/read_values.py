"""Validates values read from the cache, which other programs may have written."""

from typing import Final

UNREADABLE: Final = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    RecursionError,
)
"""Errors of reading a value that another program, or another version of ours, wrote."""

_LARGEST_COUNT: Final = 2**53
"""Up to here integers are exact in JSON and in Lua."""

_LATEST_TIME: Final = 253_402_300_800.0
"""The year 10000, the end of dates."""


def as_text(value: object) -> str:
    """Return a string that can be encoded; raise one of `UNREADABLE` for anything else."""
    if not isinstance(value, str):
        raise TypeError("not a text")
    value.encode()  # raises for a lone surrogate
    return value


def as_count(value: object, largest: int = _LARGEST_COUNT) -> int:
    """Return an integer from 0 to `largest`; raise one of `UNREADABLE` for anything else."""
    count = int(as_number(value))
    if not 0 <= count <= largest:
        raise ValueError("not a count")
    return count


def as_time(value: object) -> float:
    """Return a time in Unix seconds; raise one of `UNREADABLE` for anything else."""
    time = as_number(value)
    if not 0 <= time < _LATEST_TIME:
        raise ValueError("not a time")
    return float(time)


def as_number(value: object) -> int | float:
    """Return a number unchanged; raise one of `UNREADABLE` for anything else."""
    if not isinstance(value, int | float):
        raise TypeError("not a number")
    return value


def as_values(answer: object, count: int) -> list[bytes | None]:
    """Return the reply to `MGET`; raise one of `UNREADABLE` for anything else."""
    if not isinstance(answer, list) or len(answer) != count:
        raise TypeError("not as many values as asked for")
    if not all(value is None or isinstance(value, bytes) for value in answer):
        raise TypeError("not values")
    return answer
