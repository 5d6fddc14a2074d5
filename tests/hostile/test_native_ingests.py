"""A worker that meets hostile native files says what became of them, and goes on."""

import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import redis
import zstandard

from symbolon_server.cache.failures import Failure, FailureKind
from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.cache.module_memory import ModuleMemory
from symbolon_server.ingest.queueing.claims import ClaimDesk
from symbolon_server.ingest.queueing.jobs import Band, Claim
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.ingest.working.file_reading import ModuleFileReader
from symbolon_server.ingest.working.ingest import Ingest
from symbolon_server.ingest.working.ingest_process import WorkLimits
from symbolon_server.ingest.working.job_runner import JobRunner, WorkerOptions
from symbolon_server.insertion.insertion_memory import InsertionMemory
from symbolon_server.store.redis_store import RedisPageStore
from symbolon_server.suppliers.chain import SupplierChain
from symbolon_server.suppliers.contents.limits import FetchLimits
from symbolon_server.suppliers.contents.supplier import SymbolFileStream
from symbolon_server.suppliers.layouts.layout import CandidatePath, FileUse
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.paging.directory import decode_directory
from tests.debug_files.mills import PDB, RUST, Mill
from tests.fixtures.packing.cabinets import Packing, write_cabinet
from tests.hostile.native_files import OLDER, ZLIB, ZSTD, elf_with_info, lying_elf

pytestmark = pytest.mark.filterwarnings(
    # numpy's threads have fork handlers; Python 3.12 and later warn about any thread
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)

GIB = 1 << 30
SECONDS = 20.0
MOST_UNPACKED = 4 << 20


class OneFile:
    """Supplies the same bytes for every module."""

    name = "hostile"

    def __init__(self, content: bytes) -> None:
        self._content = content

    def candidates(self, asked: AskedModule) -> Sequence[CandidatePath]:
        return [CandidatePath((asked.module_id.debug_file,), FileUse.DEBUG)]

    def lacks(self, asked: AskedModule) -> str:
        del asked
        return ""

    @contextmanager
    def fetch(self, candidate: CandidatePath) -> Iterator[SymbolFileStream]:
        del candidate
        yield SymbolFileStream(iter([self._content]), FetchLimits())


Run = Callable[[Mill, bytes], Failure | None]


@pytest.fixture
def store(redis_store: redis.Redis, clear_redis_store: None) -> RedisPageStore:
    del clear_redis_store
    return RedisPageStore(redis_store)


@pytest.fixture
def run(
    redis_cache: redis.Redis, clear_redis_cache: None, store: RedisPageStore, tmp_path: Path
) -> Run:
    """Return a function that ingests a file like a worker, and returns the failure."""
    del clear_redis_cache
    memory = ModuleMemory.of(KeyedCache(redis_cache))
    desk = ClaimDesk(redis_cache, lease_seconds=60.0)
    reader = ModuleFileReader(tmp_path, MOST_UNPACKED)

    def run(mill: Mill, content: bytes) -> Failure | None:
        limits = WorkLimits(psutil.Process().memory_info().vms + GIB, SECONDS)
        module_id = mill.asked.module_id
        ingest = Ingest(SupplierChain([OneFile(content)]), store, reader=reader)
        IngestQueue(redis_cache).enqueue({module_id: [0]}, Band.AWAITED)
        claim = desk.claim()
        assert isinstance(claim, Claim)
        insertion = InsertionMemory(KeyedCache(redis_cache))
        JobRunner(desk, ingest, memory, insertion, WorkerOptions(limits)).run(claim, lambda: True)
        assert list(tmp_path.iterdir()) == []
        return memory.failures.get_many([module_id]).get(module_id)

    return run


def check_goes_on(run: Run, store: RedisPageStore) -> None:
    """Check that the same worker's next module is found."""
    mill = RUST[0]
    assert run(mill, mill.path.read_bytes()) is None
    (data,) = store.get_directories([mill.asked.module_id])
    assert data is not None
    assert decode_directory(mill.asked.module_id, data).facts.format == "elf"


@pytest.mark.promise("Hostile symbol files take bounded time and memory, with a clear outcome")
def test_a_conversion_that_aborts_is_a_failure_of_that_module_alone(
    run: Run, store: RedisPageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    mill = RUST[1]
    with monkeypatch.context() as patched:
        patched.setattr("symbolon_server.debug_files.conversion.check_elf", lambda *_: ())
        failure = run(mill, lying_elf(mill.path.read_bytes(), 3 * GIB))
    assert failure is not None
    assert failure.kind is FailureKind.MALFORMED
    assert failure.detail == "reading it crashed (SIGABRT)"
    check_goes_on(run, store)


@pytest.mark.parametrize(
    ("mill", "content", "detail"),
    [
        (RUST[1], lying_elf(RUST[1].path.read_bytes(), 3 * GIB), "unpacks to over"),
        (PDB, write_cabinet({"a": bytes(MOST_UNPACKED + 1)}, Packing.LZX), "unpacks to over"),
        (PDB, PDB.path.read_bytes()[:-4096], "cannot be converted"),
        (PDB, RUST[1].path.read_bytes(), "of another module"),
    ],
    ids=["lying section", "cabinet bomb", "cut PDB", "another module's"],
)
def test_a_file_that_cannot_be_read_is_told_as_what_it_is(
    mill: Mill, content: bytes, detail: str, run: Run, store: RedisPageStore
) -> None:
    failure = run(mill, content)
    assert failure is not None
    assert detail in failure.detail
    assert store.get_directories([mill.asked.module_id]) == [None]
    check_goes_on(run, store)


FREE_BYTES = 1 << 18
ZEROS = bytes(FREE_BYTES + 1)
ELF = RUST[1]


def packed_sections(method: int, pack: Callable[[bytes], bytes]) -> bytes:
    return elf_with_info(ELF.path.read_bytes(), method, pack(ZEROS), len(ZEROS))


BOMBS = {
    "gzip": (ELF, gzip.compress(ZEROS)),
    "zlib": (ELF, zlib.compress(ZEROS)),
    "xz": (ELF, lzma.compress(ZEROS)),
    "zstd": (ELF, zstandard.compress(ZEROS)),
    "ELF section in zlib": (ELF, packed_sections(ZLIB, zlib.compress)),
    "ELF section in zstd": (ELF, packed_sections(ZSTD, zstandard.compress)),
    "older ELF section": (ELF, packed_sections(OLDER, zlib.compress)),
    "cabinet": (PDB, write_cabinet({"a": ZEROS}, Packing.MSZIP)),
}


@pytest.mark.promise("Hostile symbol files take bounded time and memory, with a clear outcome")
@pytest.mark.parametrize(("mill", "bomb"), BOMBS.values(), ids=list(BOMBS))
def test_a_bomb_of_each_kind_is_a_failure_of_its_module_alone(
    mill: Mill, bomb: bytes, run: Run, store: RedisPageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("symbolon_server.symbols.ground.unpacked_sizes.FREE_BYTES", FREE_BYTES)
    failure = run(mill, bomb)
    assert failure is not None
    assert failure.kind is FailureKind.MALFORMED
    assert failure.detail.endswith("100 times its size")
    check_goes_on(run, store)
