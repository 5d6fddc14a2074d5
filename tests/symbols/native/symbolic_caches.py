"""`symbolic`'s own SymCaches: of files, and of bytes."""

import importlib
from pathlib import Path
from typing import Any

import pytest

from symbolon_server.symbols.ground.answers import Answer, InlineAnswer
from tests.bench.world.symbolic_peer import has_symbolic

needs_symbolic = pytest.mark.skipif(not has_symbolic(), reason="the extra native is not installed")


def package() -> Any:
    return importlib.import_module("symbolic")


def convert_file(path: Path) -> Any:
    """Return the cache of a file with one object."""
    (found,) = package().Archive.open(str(path)).iter_objects()
    return found.make_symcache()


def open_cache(data: bytes) -> Any:
    return package().SymCache.from_bytes(data)


def frames(answer: Answer | None) -> list[InlineAnswer]:
    """Return the frames of one of our answers, innermost first."""
    if answer is None:
        return []
    return [*answer.inlines, InlineAnswer(answer.function, answer.file, answer.line)]


def look_up(cache: Any, offset: int) -> list[InlineAnswer]:
    """Return the frames that `symbolic` finds, innermost first, with their paths as they are."""
    return [InlineAnswer(at.symbol, at.full_path or "", at.line) for at in cache.lookup(offset)]
