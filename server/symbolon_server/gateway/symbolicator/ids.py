"""Debug ids and code ids as Symbolicator reads and writes them."""

import re

from symbolon import Module
from symbolon._module_ids import find_file_fault, last_part
from symbolon_server.symbols.ground.asked_modules import elf_guid

_GUID = re.compile(
    "([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})(?:-([0-9a-f]{1,8})(.*))?"
    "|([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})(?:([0-9a-f]{1,8})(.*))?",
    re.IGNORECASE | re.ASCII | re.DOTALL,
)
"""What follows eight digits of an age is ignored."""

_PDB_20 = re.compile("([0-9a-f]{8})-?([0-9a-f]{1,8})", re.IGNORECASE)
"""The timestamp and the age of an old PDB."""

_AGE_DIGITS = 8
_NOT_HEX = re.compile("[^0-9a-f]+")

_UNNAMED = "unnamed"
"""The debug file of a module without a name: some layouts need only its ids, and the server takes a
module without any name for unknown."""

_ENDINGS = {"elf": ".so", "macho": ".dylib", "wasm": ".wasm"}
"""By the type of the module: suppliers learn from the name which formats to look for."""


def write_debug_id(given: str) -> str | None:
    """Return a debug id with dashes, in lower case, its age only if not 0; `None` if it is invalid.

    The ids of PDB 2.0 are in upper case.
    """
    if old := _PDB_20.fullmatch(given):
        return old[1].upper() + _write_age(old[2])
    found = _GUID.fullmatch(given)
    if found is None or not given.isascii():
        return None
    *parts, age, rest = found.groups()[:7] if found[1] else found.groups()[7:]
    if rest and len(age) < _AGE_DIGITS:
        return None
    return "-".join(parts).lower() + _write_age(age or "0")


def _write_age(digits: str) -> str:
    age = int(digits, 16)
    return f"-{age:x}" if age else ""


def write_code_id(given: str) -> str:
    """Return the hex digits of a code id, in lower case."""
    return _NOT_HEX.sub("", given.lower())


def make_module(
    debug_file: str, debug_id: str, code_file: str, code_id: str, kind: str = ""
) -> Module:
    """Return the module to look up; a name that the server would reject is left out.

    The ids are written by the functions above, or empty. The `kind` is Symbolicator's type. The id
    of an old PDB is sent in digits, for which the server answers that the module is missing. That
    of an ELF file is made from its build id: in 16 bytes the server would take it for a UUID.
    """
    if kind == "elf" and code_id and not debug_id and len(code_id) % 2 == 0:
        debug_id = f"{elf_guid(code_id)}0"
    if _PDB_20.fullmatch(debug_id):
        debug_id = debug_id.replace("-", "")
    names = [_usable(debug_file), _usable(code_file)]
    if not any(names) and (debug_id or code_id):
        names[0] = _UNNAMED + _ENDINGS.get(kind, "")
    return Module(names[0], debug_id, names[1], code_id)


def _usable(path: str) -> str:
    return "" if find_file_fault(path, takes_path=True) else last_part(path)
