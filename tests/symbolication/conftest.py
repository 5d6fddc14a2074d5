"""Fixtures of the symbolication floor: symbolicators on a real store, cache, spool and worker."""

import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
import redis

from symbolon.v1.stack_pb2 import Frame, SymbolicatedFrame
from symbolon.v1.symbolication_service_pb2 import SymbolicateResponse
from symbolon_server.cache.failures import FailureMemory
from symbolon_server.cache.invalidations import CHANNEL, InvalidationLog, KnownInvalidations
from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.cache.missing_modules import MissingTally
from symbolon_server.ingest.queueing.loader import ModuleLoader
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.ingest.working.ingest import Ingest
from symbolon_server.ingest.working.results import IngestOutcome
from symbolon_server.redis_servers.servers import connect
from symbolon_server.rpc.symbolicate.request import decode_frame
from symbolon_server.rpc.symbolicate.service import decode_stacks
from symbolon_server.store.page_stores import PageStore
from symbolon_server.store.redis_store import RecentUse, RedisPageStore
from symbolon_server.store.spool import Spool
from symbolon_server.suppliers.chain import SupplierChain
from symbolon_server.suppliers.directory import DirectorySupplier
from symbolon_server.symbolication.invalidator import Invalidator
from symbolon_server.symbolication.looking_up.tiers import Tiers
from symbolon_server.symbolication.memory.queries import (
    NO_MODULE,
    FrameQuery,
    ModuleOutcome,
    ModuleQuery,
    ModuleResult,
    Symbolication,
)
from symbolon_server.symbolication.memory.server_memory import ServerMemory
from symbolon_server.symbolication.symbolicator import RequestFrames, Symbolicator
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.paging import wire
from tests.fixtures.symbol_server import SymbolServer
from tests.ingest.symbol_files import symbol_file
from tests.ingest.working.workers import RunningWorker, WorkerStarter

WAIT_SECONDS = 60.0
"""Timeout of a call that waits for something that must happen."""

MEGABYTE = 1 << 20
MOST_FRAMES = 1_000_000

_numbers = count(1)


def query(module_id: ModuleId) -> ModuleQuery:
    return ModuleQuery(module_id.debug_file, module_id)


def encode(frame: FrameQuery) -> bytes:
    """Return a frame as clients send it."""
    message = Frame(module_offset=frame.module_offset, is_return_address=frame.is_return_address)
    if frame.module_index != NO_MODULE:
        message.module_index = frame.module_index
    return message.SerializeToString(deterministic=True)


def encode_stack(frames: Sequence[FrameQuery]) -> bytes:
    """Return a stack as clients send it."""
    return b"".join(wire.message_field(1, encode(frame)) for frame in frames)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a symbolicator, with its stacks decoded as a client does it."""

    symbolication: Symbolication
    stacks: list[list[SymbolicatedFrame]]

    @property
    def results(self) -> list[ModuleResult]:
        """The result of each requested module."""
        of_index = self.symbolication.results
        not_referenced = ModuleResult(ModuleOutcome.NOT_REFERENCED)
        return [of_index.get(index, not_referenced) for index in range(self.symbolication.modules)]

    @property
    def functions(self) -> list[str]:
        """The functions of the first stack."""
        return [frame.function for frame in self.stacks[0]]


@dataclass(frozen=True, slots=True)
class Host:
    """The parts of one server process that answer."""

    symbolicator: Symbolicator
    held: ServerMemory
    tiers: Tiers
    invalidator: Invalidator

    def ask(
        self,
        modules: Sequence[ModuleQuery],
        stacks: Sequence[Sequence[FrameQuery]],
        wait_seconds: float = 0.0,
        *,
        has_place: bool = True,
    ) -> Answer:
        symbolication = self.symbolicator.symbolicate(
            modules,
            RequestFrames(list(map(encode_stack, stacks)), decode_stacks, MOST_FRAMES),
            wait_seconds,
            lambda _let_go: nullcontext(has_place),
            with_diagnostics=True,
        )
        answer = SymbolicateResponse.FromString(b"".join(symbolication.stacks.pieces))
        assert symbolication.stacks.length == sum(stack.ByteSize() for stack in answer.stacks)
        return Answer(symbolication, [list(stack.frames) for stack in answer.stacks])

    def find(self, module_id: ModuleId, *offsets: int, wait_seconds: float = 0.0) -> Answer:
        """Look up these offsets of one module, in one stack."""
        frames = [FrameQuery(0, offset, False) for offset in offsets]
        return self.ask([query(module_id)], [frames], wait_seconds)


OpenHost = Callable[..., Host]
IngestNow = Callable[..., None]


@pytest.fixture
def open_host(
    redis_store: redis.Redis,
    redis_cache: redis.Redis,
    clear_redis_store: None,
    clear_redis_cache: None,
) -> Iterator[OpenHost]:
    """Start server processes, each with its own memory, on the shared store and cache."""
    loaders = []

    def start(
        spool: Spool | None = None,
        *,
        store: PageStore | None = None,
        cache: redis.Redis | None = None,
        recent_use: RecentUse | None = None,
        missing_tally: MissingTally | None = None,
        clock: Callable[[], float] = time.monotonic,
        hears: bool = False,
    ) -> Host:
        cache = cache or redis_cache
        loader = ModuleLoader(cache)
        loaders.append(loader)
        failures = FailureMemory(KeyedCache(cache))
        known = KnownInvalidations()
        tiers = Tiers(store or RedisPageStore(redis_store), spool, failures, loader, known)
        held = ServerMemory(64 * MEGABYTE)
        invalidator = Invalidator(InvalidationLog(KeyedCache(cache)), tiers, held)
        if hears:
            loader.watch(CHANNEL, invalidator.catch_up)
        invalidator.catch_up()
        loader.start()
        symbolicator = Symbolicator(
            tiers,
            held,
            decode_frame,
            recent_use=recent_use,
            missing_tally=missing_tally,
            clock=clock,
        )
        return Host(symbolicator, held, tiers, invalidator)

    yield start
    for loader in loaders:
        loader.close()


@pytest.fixture(params=["closed", "silent"])
def dead_redis(request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    """A client of a port without a listener, or of one that never answers.

    Request it before `open_host`, whose servers use it until they stop.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if request.param == "silent":
            listener.listen()
        with connect(f"redis://127.0.0.1:{listener.getsockname()[1]}") as client:
            yield client


@pytest.fixture
def host(open_host: OpenHost) -> Host:
    """A server without a spool."""
    return open_host()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", 64 * MEGABYTE)


@pytest.fixture
def queue(redis_cache: redis.Redis) -> IngestQueue:
    return IngestQueue(redis_cache)


@pytest.fixture(scope="module")
def supplier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SymbolServer]:
    """A symbol server for all tests of a file, each of which takes new modules."""
    with SymbolServer(tmp_path_factory.mktemp("symbol-server")) as server:
        yield server


@pytest.fixture
def ingest_now(supplier: SymbolServer, redis_store: redis.Redis) -> IngestNow:
    """Ingest like a worker, but in the process of the test."""

    def run(module_id: ModuleId, spool: Spool | None = None) -> None:
        suppliers = SupplierChain([DirectorySupplier(supplier.folder)])
        result = Ingest(suppliers, RedisPageStore(redis_store), spool).run(
            AskedModule(module_id), ()
        )
        assert result.outcome is IngestOutcome.INGESTED

    return run


@pytest.fixture
def workers(
    supplier: SymbolServer, redis_store_url: str, redis_cache_url: str, tmp_path: Path
) -> WorkerStarter:
    return WorkerStarter(redis_cache_url, redis_store_url, supplier.url, tmp_path / "workers")


@dataclass(frozen=True, slots=True)
class File:
    """A small symbol file at the supplier."""

    module_id: ModuleId
    supplier: SymbolServer

    def gets(self) -> int:
        """How often it was fetched."""
        return self.supplier.counts()[self.supplier.path_of(self.module_id)]


@pytest.fixture
def file(supplier: SymbolServer, module_id: ModuleId) -> File:
    """A module that only the supplier has."""
    supplier.put(module_id, symbol_file(module_id))
    return File(module_id, supplier)


@pytest.fixture
def spooled(file: File, ingest_now: IngestNow, spool: Spool, clear_redis_store: None) -> ModuleId:
    """A module in the store and in the spool."""
    ingest_now(file.module_id, spool)
    return file.module_id


@pytest.fixture(scope="module")
def worker_spool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The spool of the worker, which is on another host than servers without a spool."""
    return tmp_path_factory.mktemp("worker-spool")


@pytest.fixture(scope="module")
def worker(
    supplier: SymbolServer,
    redis_store_url: str,
    redis_cache_url: str,
    worker_spool: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningWorker]:
    """A worker for all tests of a file."""
    folder = tmp_path_factory.mktemp("workers")
    starter = WorkerStarter(redis_cache_url, redis_store_url, supplier.url, folder)
    with starter.run(spool=worker_spool) as running:
        yield running


@pytest.fixture
def module_id() -> ModuleId:
    """A module that no other test uses."""
    return new_module()


def new_module() -> ModuleId:
    number = next(_numbers)
    return ModuleId.parse(f"module{number}.so", f"{number:033X}")


def calls(client: redis.Redis) -> Mapping[str, int]:
    """Return how often each command was sent to a server so far."""
    statistics = client.info("commandstats")
    return {name.removeprefix("cmdstat_"): row["calls"] for name, row in statistics.items()}


def new_calls(client: redis.Redis, before: Mapping[str, int], *names: str) -> dict[str, int]:
    """Return how often the commands `names` were sent since `before`."""
    now = calls(client)
    return {name: now.get(name, 0) - before.get(name, 0) for name in names}
