"""The symbol files to measure with: those of a folder, or generated ones."""

import mmap
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.bench.world.generated import write_symbol_file

FOLDER_VARIABLE = "SYMBOLON_BENCH_SYMBOLS"
"""A folder laid out as a symbol server: `<debug file>/<DEBUG ID>/<name>.sym`."""

_KEPT = Path(__file__).resolve().parents[3] / ".cache" / "bench"
_SEED = 7


@dataclass(frozen=True, slots=True)
class SymbolFile:
    """One symbol file on disk."""

    module_id: ModuleId
    path: Path

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.module_id.debug_file

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.path.stat().st_size

    def with_another_id(self, random: Random) -> "SymbolFile":
        """Return the same file for a module that nobody has seen before.

        The supplier of the benchmarks sends it with that debug id in its MODULE record.
        """
        return SymbolFile(ModuleId(self.name, f"{random.getrandbits(128):032X}0"), self.path)

    def sample_offsets(self, count: int, random: Random) -> list[int]:
        """Return module offsets within functions, the larger ones more often, mostly distinct."""
        with self.path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as text:
            names_end = text.find(b"\nFUNC ")
            if names_end < 0:
                raise ValueError(f"{self.path} has no functions")
            return [_find_offset(text, names_end, random) for _ in range(count)]


def _find_offset(text: mmap.mmap, names_end: int, random: Random) -> int:
    """Return an offset in the function after a random place behind the names at the top."""
    while True:
        start = text.find(b"\nFUNC ", random.randrange(names_end, len(text))) + 1
        if start == 0:
            continue
        fields = text[start : text.find(b"\n", start)].split(b" ")
        if fields[1] == b"m":
            del fields[1]
        if size := int(fields[2], 16):
            return int(fields[1], 16) + random.randrange(size)


def find_symbol_files(generated_bytes: Sequence[int]) -> list[SymbolFile]:
    """Return the symbol files, the largest first; generate them where no folder is given."""
    folder = os.environ.get(FOLDER_VARIABLE)
    files = list(_list_folder(Path(folder))) if folder else [*_generate(generated_bytes)]
    if not files:
        raise FileNotFoundError(f"{FOLDER_VARIABLE}={folder} holds no symbol files")
    return sorted(files, key=lambda file: file.size, reverse=True)


def _list_folder(folder: Path) -> Iterator[SymbolFile]:
    for path in folder.glob("*/*/*.sym"):
        yield SymbolFile(ModuleId.parse(path.parts[-3], path.parts[-2]), path)


def _generate(sizes: Sequence[int]) -> Iterator[SymbolFile]:
    """Yield generated symbol files of these sizes, which are kept for the next run."""
    for number, size in enumerate(sizes):
        yield generate_symbol_file(f"libgenerated{number}.so", size, _SEED + number)


def generate_symbol_file(name: str, size: int, seed: int) -> SymbolFile:
    """Return a symbol file of about this size, made by the first run that wants it."""
    module_id = ModuleId(name, f"{seed:024X}{size:08X}0")
    path = _KEPT / module_id.debug_file / module_id.debug_id / module_id.symbol_file_name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}")
        write_symbol_file(unfinished, module_id, size, Random(seed))
        unfinished.rename(path)
    return SymbolFile(module_id, path)
