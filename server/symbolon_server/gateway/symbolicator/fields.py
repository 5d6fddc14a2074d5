"""The fields of Symbolicator's requests, each of the type that Symbolicator takes."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from symbolon import InvalidReportError

MAX_ADDRESS: Final = 2**64 - 1
_MAX_U32: Final = 2**32 - 1
_MIN_I64: Final = -(2**63)

_HEX = re.compile("0[xX]0*([0-9A-Fa-f]{1,16})")
_DECIMAL = re.compile("[0-9]{1,20}")
_RELATIVE = re.compile("rel:([0-9]{1,10})")

_TRUSTS = frozenset({"none", "scan", "cfiscan", "fp", "cfi", "prewalked", "context"})

ReadField = Callable[[Any], Any]
"""Returns the value of a field; raises `ValueError` with what it must be."""


def read_fields(given: object, fields: Mapping[str, ReadField], where: str) -> dict[str, Any]:
    """Return the fields of an object that are known and not null, in the order given.

    Raises `InvalidReportError`, which names the object `where`.
    """
    if not isinstance(given, dict):
        raise InvalidReportError(f"{where} must be an object")
    found = {}
    for name, value in given.items():
        read = fields.get(name)
        if read is not None and value is not None:
            try:
                found[name] = read(value)
            except ValueError as error:
                raise InvalidReportError(f"{where}.{name} must be {error}") from None
    return found


def sort_fields(found: Mapping[str, Any], order: Iterable[str]) -> dict[str, Any]:
    """Return those fields of `order` that there are and that are not None, in this order."""
    return {name: found[name] for name in order if found.get(name) is not None}


def read_text(value: Any) -> str:
    """Return a string."""
    if not isinstance(value, str):
        raise ValueError("a string")
    return value


def read_flag(value: Any) -> bool:
    """Return a Boolean."""
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def read_u32(value: Any) -> int:
    """Return an integer from 0 to 2^32 - 1."""
    return _read_integer(value, 0, _MAX_U32)


def read_u64(value: Any) -> int:
    """Return an integer from 0 to 2^64 - 1."""
    return _read_integer(value, 0, MAX_ADDRESS)


def read_address(value: Any) -> int:
    """Return an address: an integer, or a string in decimal, or in hex with 0x.

    A negative integer is the address with the same bits.
    """
    if isinstance(value, str):
        return _read_address_text(value)
    return _read_integer(value, _MIN_I64, MAX_ADDRESS) & MAX_ADDRESS


def _read_address_text(value: str) -> int:
    if found := _HEX.fullmatch(value):
        return int(found[1], 16)
    address = int(value) if _DECIMAL.fullmatch(value) else MAX_ADDRESS + 1
    if address > MAX_ADDRESS:
        raise ValueError("an integer of 64 bits, or a string such as 0x1f")
    return address


def read_hex(value: Any) -> str:
    """Return an address as Symbolicator writes it."""
    return hex(read_address(value))


def read_registers(value: Any) -> dict[str, str]:
    """Return registers by name, in the order of their names."""
    if not isinstance(value, dict):
        raise ValueError("an object with an address for each register")
    return {name: read_hex(value[name]) for name in sorted(value)}


def read_texts(value: Any) -> list[str]:
    """Return a list of strings."""
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ValueError("a list of strings")
    return value


def read_trust(value: Any) -> str:
    """Return how a frame was found."""
    if not isinstance(value, str) or value not in _TRUSTS:
        raise ValueError(f"one of {', '.join(sorted(_TRUSTS))}")
    return value


def read_address_mode(value: Any) -> int | None:
    """Return the index of the module that an address is relative to; `None` if it is absolute."""
    if value == "abs":
        return None
    found = _RELATIVE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("abs, or rel: and the index of a module")
    return int(found[1])


def read_frame_order(value: Any) -> str:
    """Return the order of frames."""
    if value not in ("callee_first", "caller_first"):
        raise ValueError("callee_first or caller_first")
    return str(value)


def _read_integer(value: Any, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"an integer from {least} to {most}")
    return value
