"""The Symbolon server: gRPC symbolication through a page cache in Redis.

Some of its modules may be compiled: `scripts/compile_modules.py` does that (decision 0109). The
compiled form of a module is imported in place of its source, but only while all source that went
into the compiled modules is unchanged.
"""

import os
import sys
from collections.abc import Sequence
from functools import cached_property
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from importlib.util import source_hash, spec_from_file_location
from types import ModuleType

_FOLDER_VARIABLE = "SYMBOLON_COMPILED"
"""Names the folder of the compiled modules; with `none` the source runs."""

_SOURCES = "sources"
"""The file in it that lists the sources."""

# By os.path: pathlib takes longer to import than everything here.
_HERE = os.path.dirname(__file__)  # noqa: PTH120


class _CompiledModules:
    """Finds compiled modules, as one of `sys.meta_path`."""

    def __init__(self, folder: str, suffix: str, sources: Sequence[str]) -> None:
        self._folder = folder
        self._suffix = suffix
        self._sources = sources

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where the compiled form of a module is, or None."""
        file = f"{self._folder}/{name}{self._suffix}"
        if not name.startswith(f"{__name__}.") or not os.access(file, os.R_OK):
            return None
        return spec_from_file_location(name, file) if self.are_current else None

    @cached_property
    def are_current(self) -> bool:
        """Whether the sources are those that were compiled: takes a millisecond."""
        return all(map(_is_unchanged, self._sources))


def _is_unchanged(source: str) -> bool:
    digest, path = source.split(" ", 1)
    try:
        with open(f"{_HERE}/../{path}", "rb") as file:  # noqa: PTH123 # see above
            return source_hash(file.read()).hex() == digest
    except OSError:
        return False


def code_form() -> str:
    """Return `compiled` if compiled modules are imported, else `pure`."""
    found = [one for one in sys.meta_path if isinstance(one, _CompiledModules)]
    return "compiled" if any(one.are_current for one in found) else "pure"


def _find_compiled_modules(folder: str) -> None:
    """Have compiled modules in `folder` imported, if there are any, and of this Python."""
    try:
        with open(f"{folder}/{_SOURCES}", encoding="utf-8") as file:  # noqa: PTH123 # see above
            suffix, *sources = file.read().splitlines()
    except (OSError, ValueError):
        return
    if suffix in EXTENSION_SUFFIXES:
        sys.meta_path.insert(0, _CompiledModules(folder, suffix, sources))


_find_compiled_modules(os.environ.get(_FOLDER_VARIABLE) or f"{_HERE}/compiled")
