"""Hostile native files end as malformed, or end the process that reads them, and nothing else."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from symbolon_server.debug_files.conversion import convert
from symbolon_server.ingest.working.file_reading import ModuleFileReader
from symbolon_server.ingest.working.ingest_process import (
    ProcessEnd,
    ProcessEnding,
    WorkLimits,
    run_in_process,
)
from symbolon_server.symbols.ground.errors import MalformedSymbolFileError
from symbolon_server.symbols.reading.symbol_table import SymbolTable
from tests.debug_files.mills import PDB, RUST, Mill
from tests.fixtures.packing.cabinets import Packing, write_cabinet
from tests.fuzz.tables import check_table
from tests.hostile.native_files import KINDS, HostileFile, hostile_files, lying_elf

pytestmark = pytest.mark.filterwarnings(
    # numpy's threads have fork handlers; Python 3.12 and later warn about any thread
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)

GIB = 1 << 30
SECONDS = 20.0
MOST_UNPACKED = 4 << 20
BOMB_BYTES = 5 << 20
MOST_PEAK = 256 << 20
"""Of resident memory, in addition to what the tests' process has."""

FILES, MANY_FILES, AT_ONCE = 200, 2_000, 20
PAGE_WEIGHT = 200
PAGED_EACH = 4
"""Of this many tables, one is also written as pages, which takes longer than all the rest."""

READ, MALFORMED = "read", "malformed"


class Outcomes(NamedTuple):
    """What became of hostile files."""

    read: int
    malformed: int
    crashed: int
    peak_bytes: int


def read_in_fork(files: Sequence[HostileFile], folder: Path) -> tuple[ProcessEnd, list[str]]:
    """Read files as an ingest does, in one process; return its end and what became of each."""

    def work() -> bytes:
        return "\n".join(read_one(file, folder) for file in files).encode()

    # The fork includes this process's memory, which grows with each earlier test.
    limits = WorkLimits(psutil.Process().memory_info().vms + GIB, SECONDS)
    end = run_in_process(work, limits, lambda: True)
    return end, end.report.decode().splitlines()


def read_one(file: HostileFile, folder: Path) -> str:
    reader = ModuleFileReader(folder, MOST_UNPACKED)
    try:
        table = reader.read(file.mill.asked, iter([file.content]))
        if file.seed % PAGED_EACH == 0:
            check_table(table, PAGE_WEIGHT)
        if file.is_cut:
            assert answers(table) == whole_answers(file.mill)
    except MalformedSymbolFileError:
        return MALFORMED
    except AssertionError as error:
        return f"{file}: {error}".replace("\n", " ")
    return READ


@cache
def whole_answers(mill: Mill) -> list[object]:
    return answers(convert(mill.path, mill.asked, max_unpacked_bytes=MOST_UNPACKED))


def answers(table: SymbolTable) -> list[object]:
    return [(start, table.find(start)) for start in table.ranges.start.tolist()]


def read_all(files: Iterator[HostileFile], folder: Path) -> Outcomes:
    """Read hostile files, many in one process, those of a crashed one in a process each."""
    seen: Counter[str] = Counter()
    peak = 0
    while some := list(islice(files, AT_ONCE)):
        for end, results in outcomes_of(some, folder):
            assert end.ending in (ProcessEnding.REPORTED, ProcessEnding.CRASHED), some
            seen.update(results)
            peak = max(peak, end.peak_bytes)
    assert set(seen) <= {READ, MALFORMED, "crashed"}, seen
    return Outcomes(seen[READ], seen[MALFORMED], seen["crashed"], peak)


def outcomes_of(
    files: Sequence[HostileFile], folder: Path
) -> Iterator[tuple[ProcessEnd, list[str]]]:
    end, results = read_in_fork(files, folder)
    if end.ending is ProcessEnding.REPORTED:
        yield end, results
        return
    for file in files:
        end, results = read_in_fork([file], folder)
        assert results or end.signal_name, str(file)
        yield end, results or ["crashed"]


@pytest.mark.promise("Hostile symbol files take bounded time and memory, with a clear outcome")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_cut_and_changed_native_files_are_malformed_or_read(tmp_path: Path) -> None:
    before = psutil.Process().memory_info().rss
    outcomes = read_all(hostile_files(FILES), tmp_path)
    assert outcomes.malformed > FILES / 4
    assert outcomes.read > FILES / 20
    assert outcomes.crashed == 0
    assert outcomes.peak_bytes - before < MOST_PEAK


@pytest.mark.hostile
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", KINDS)
def test_many_cut_and_changed_native_files_are_malformed_or_read(kind: str, tmp_path: Path) -> None:
    before = psutil.Process().memory_info().rss
    outcomes = read_all(hostile_files(MANY_FILES, kind), tmp_path)
    print(outcomes)  # noqa: T201 - shown by `make hostile`
    assert outcomes.peak_bytes - before < MOST_PEAK


EVERY_CLAIM = pytest.mark.parametrize(
    "claimed", [3 * GIB, 1 << 40, 1 << 62], ids=["3 GiB", "1 TiB", "2^62"]
)


def lying_file(claimed: int) -> HostileFile:
    mill = RUST[1]
    return HostileFile(mill, 0, lying_elf(mill.path.read_bytes(), claimed))


@pytest.mark.promise("Hostile symbol files take bounded time and memory, with a clear outcome")
@EVERY_CLAIM
def test_a_section_that_lies_about_its_size_is_malformed(claimed: int, tmp_path: Path) -> None:
    end, results = read_in_fork([lying_file(claimed)], tmp_path)
    assert (end.ending, results) == (ProcessEnding.REPORTED, [MALFORMED])
    assert end.peak_bytes - psutil.Process().memory_info().rss < MOST_PEAK


@pytest.mark.promise("Hostile symbol files take bounded time and memory, with a clear outcome")
@EVERY_CLAIM
def test_a_library_that_aborts_ends_that_process_alone(
    claimed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It trusts such a claim and aborts, if nothing looks at the file before."""
    monkeypatch.setattr("symbolon_server.debug_files.conversion.check_elf", lambda *_: ())
    end, results = read_in_fork([lying_file(claimed)], tmp_path)
    assert (end.ending, end.signal_name, results) == (ProcessEnding.CRASHED, "SIGABRT", [])
    assert end.peak_bytes - psutil.Process().memory_info().rss < MOST_PEAK


@pytest.mark.promise("Hostile symbol files take bounded time and memory, with a clear outcome")
@pytest.mark.parametrize("packing", [Packing.MSZIP, Packing.LZX])
def test_a_cabinet_bomb_is_malformed_before_it_fills_the_disk(
    packing: Packing, tmp_path: Path
) -> None:
    bomb = write_cabinet({"bomb.pdb": bytes(BOMB_BYTES)}, packing)
    assert len(bomb) < BOMB_BYTES / 50
    end, results = read_in_fork([HostileFile(PDB, 0, bomb)], tmp_path)
    assert (end.ending, results) == (ProcessEnding.REPORTED, [MALFORMED])
    assert list(tmp_path.iterdir()) == []
    assert end.peak_bytes - psutil.Process().memory_info().rss < MOST_PEAK
