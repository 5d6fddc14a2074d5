"""Secrets of sources, from environment variables and files."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from symbolon_server.suppliers.source import InvalidSupplierError

_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\t]+)", re.ASCII)
_VALUE: Final = re.compile(r"[\x21-\x7e]+", re.ASCII)
_SECRET_NAME: Final = re.compile("auth|cookie|token|secret|key|password|signature", re.IGNORECASE)


def is_secret_header(name: str) -> bool:
    """Return whether a header of this name mostly has a secret value."""
    return _SECRET_NAME.search(name) is not None


def is_header(name: str, value: str) -> bool:
    """Return whether HTTP allows this header."""
    return _HEADER.fullmatch(f"{name}: {value}") is not None


def from_environment(environment: Mapping[str, str], name: str, key: str) -> str:
    """Return the secret in a variable; raise `InvalidSupplierError` without quoting it."""
    value = environment.get(name, "").strip()
    if not value:
        raise InvalidSupplierError(f"{key} names the variable {name}, which is not set")
    return _check(value, f"the variable {name} ({key})")


def from_file(file: Path, key: str) -> str:
    """Return the secret that is the text of a file; raise `InvalidSupplierError`."""
    return _check(read_text(file, key).strip(), f"{file} ({key})")


def headers_from_file(file: Path, key: str) -> dict[str, str]:
    """Return the headers in a file, one `name: value` per line; raise `InvalidSupplierError`."""
    headers: dict[str, str] = {}
    for number, line in enumerate(read_text(file, key).splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _HEADER.fullmatch(line.strip())
        if match is None:
            raise InvalidSupplierError(f"line {number} of {file} ({key}) is not `name: value`")
        headers[match[1]] = match[2].strip()
    return headers


def read_text(file: Path, key: str) -> str:
    """Return the text of a file that `key` names; raise `InvalidSupplierError`."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidSupplierError(f"cannot read {file} ({key}): {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidSupplierError(f"{file} ({key}) is not a text file") from None


def _check(value: str, where: str) -> str:
    if not _VALUE.fullmatch(value):
        raise InvalidSupplierError(f"{where} must contain one word of ASCII characters")
    return value
