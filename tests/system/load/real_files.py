"""The real symbol files and the reference's answers for them, which lie beside the project."""

import gzip
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from symbolon.results import InlineFrame, SymbolicatedFrame
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.reading.spelling import clean_path, demangle

needs_files = pytest.mark.skipif(
    "SYMBOLON_BENCH_SYMBOLS" not in os.environ,
    reason="SYMBOLON_BENCH_SYMBOLS names no folder of real symbol files",
)
needs_answers = pytest.mark.skipif(
    "SYMBOLON_CONFORMANCE" not in os.environ,
    reason="SYMBOLON_CONFORMANCE names no folder of the reference's answers",
)


def files_folder() -> Path:
    return Path(os.environ["SYMBOLON_BENCH_SYMBOLS"])


def real_modules() -> list[ModuleId]:
    """Return the modules that there are real symbol files of."""
    files = sorted(files_folder().glob("*/*/*.sym"))
    return [ModuleId.parse(file.parts[-3], file.parts[-2]) for file in files]


def first_function(module_id: ModuleId) -> tuple[int, str]:
    """Return where a module's first function starts, and its name."""
    path = files_folder() / str(module_id) / module_id.symbol_file_name
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.startswith("FUNC ") and not line.startswith("FUNC m "):
                _, start, _, _, name = line.rstrip("\n").split(" ", 4)
                return int(start, 16), name
    raise AssertionError(f"{module_id} has no function")


@dataclass(frozen=True, slots=True)
class ReferenceAnswer:
    """What the reference says of one offset."""

    offset: int
    frame: dict[str, Any] | None
    inlines: list[dict[str, Any]]

    def agrees_with(self, frame: SymbolicatedFrame) -> bool:
        if self.frame is None:
            return frame.function is None
        expected = self.frame
        return (
            (frame.function, frame.function_offset, frame.is_multiple)
            == (_name(expected["function"]), expected["function_offset"], expected["multiple"])
            and _place(frame.file, frame.line) == _place(_path(expected["file"]), expected["line"])
            and list(map(_inline, frame.inlines)) == [_expected(inline) for inline in self.inlines]
        )


def reference_answers(module_id: ModuleId) -> Iterator[ReferenceAnswer]:
    """Yield the reference's answers for a module; none for a module it was not asked about."""
    path = Path(os.environ["SYMBOLON_CONFORMANCE"]) / "real" / f"{module_id.debug_file}.jsonl.gz"
    if not path.exists():
        return
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield ReferenceAnswer(row["offset"], row.get("frame"), row.get("inlines", []))


def _name(latin: str) -> str:
    """Return a name as clients see it; the reference has it as it is in the file, as Latin-1."""
    return demangle(latin.encode("latin-1")).decode("utf-8", errors="replace")


def _path(latin: str) -> str:
    """Return a path as clients see it; the reference has it as it is in the file, as Latin-1."""
    return clean_path(latin.encode("latin-1")).decode("utf-8", errors="replace")


def _place(file: str | None, line: int | None) -> tuple[str, int]:
    return file or "", line or 0


def _inline(inline: InlineFrame) -> tuple[str, tuple[str, int]]:
    return inline.function, _place(inline.file, inline.line)


def _expected(inline: dict[str, Any]) -> tuple[str, tuple[str, int]]:
    return _name(inline["function"]), _place(_path(inline["file"]), inline["line"])
