"""Fixtures for the tests of the spool."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fcntl import LOCK_EX, flock
from pathlib import Path

import numpy as np
import pytest

from symbolon_server.store.spool import SkipReason, Spool
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import (
    IngestFacts,
    ModuleFacts,
    PageDirectory,
    PageKey,
    page_owner,
)
from symbolon_server.symbols.paging.directory import encode_directory
from symbolon_server.symbols.paging.envelope import seal
from symbolon_server.symbols.paging.layout import MARK


@dataclass(frozen=True)
class StoredModule:
    """A module to store in the spool; its pages contain noise."""

    module_id: ModuleId
    generation: str
    directory: bytes
    pages: tuple[bytes, ...]

    @property
    def keys(self) -> list[PageKey]:
        numbers = range(len(self.pages))
        return [PageKey(self.module_id, self.generation, number) for number in numbers]


def make_module(
    number: int, pages: int = 3, page_bytes: int = 10_000, module_id: ModuleId | None = None
) -> StoredModule:
    """Return a module that is different for each `number`."""
    noise = random.Random(number)
    generation = f"1-{number:016x}"
    directory = PageDirectory(
        generation,
        ModuleFacts("linux", "x86_64", "libc.so", "", 1, 1, 1, {}),
        IngestFacts("symbols.example", 0.0, 0.0, 0),
        pages * page_bytes,
        np.arange(pages, dtype=np.uint64),
    )
    module_id = module_id or ModuleId.parse("libc.so", f"{number:033X}")
    return StoredModule(
        module_id,
        generation,
        encode_directory(module_id, directory),
        tuple(
            seal(MARK, page_owner(generation, page), noise.randbytes(page_bytes))
            for page in range(pages)
        ),
    )


def put(spool: Spool, module: StoredModule) -> bool:
    return spool.put_module(module.module_id, module.directory, module.pages)


def has(spool: Spool, module: StoredModule) -> bool:
    """Return whether the spool has a whole module; fail if it has anything else instead."""
    (directory,) = spool.get_directories([module.module_id])
    pages = spool.get_pages(module.keys)
    assert directory in {None, module.directory}
    assert all(page in {None, right} for page, right in zip(pages, module.pages, strict=True))
    return directory is not None and None not in pages


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the writer's lock on the spool in `folder`."""
    with (folder / "lock").open("r+b") as lock:
        flock(lock, LOCK_EX)
        yield


def held_bytes(folder: Path) -> int:
    """Return the bytes of all files of the spool while there is no writer."""
    with locked(folder):
        sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
        return sum(sizes) - (folder / "lock").stat().st_size


@dataclass
class FakeClock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Skips:
    """What was skipped."""

    reasons: list[SkipReason] = field(default_factory=list)

    def __call__(self, reason: SkipReason) -> None:
        self.reasons.append(reason)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "spool"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def skips() -> Skips:
    return Skips()


@pytest.fixture
def spool(folder: Path, clock: FakeClock, skips: Skips) -> Spool:
    return Spool(folder, 1_000_000, skips, clock)
