"""Frames that nobody asked for before, in pages of memory, store or spool, against `symbolic`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any, Final

from symbolon.v1 import stack_pb2
from symbolon.v1.symbolication_service_pb2 import SymbolicateRequest, SymbolicateResponse
from symbolon.v1.tier_pb2 import Tier
from symbolon_server.redis_servers.servers import connect
from tests.bench.plan import MB, Bench
from tests.bench.results import Bar, Cell, PartResult, Table, median_of, median_ratio
from tests.bench.world.caller import Caller
from tests.bench.world.crashes import STACK_FRAMES, module_message, pick_module
from tests.bench.world.echo_server import SERVICE
from tests.bench.world.programs import EchoServer, Symbolon, SymbolServer
from tests.bench.world.symbol_files import SymbolFile
from tests.bench.world.symbolic_peer import convert_files, has_symbolic, look_up

_SEED = 29
_CALLERS: Final = 8
_MODULES: Final = 20
_UNREFERENCED: Final = 60
_AT_ONCE: Final = 1_000
"""Offsets of a file that are chosen, and frames of a call that puts pages into memory."""

_FEW_FRAMES: Final = 50
_TIMES_SYMBOLIC: Final[dict[int, float]] = {Tier.TIER_MEMORY: 1.2, Tier.TIER_STORE: 2.5}
_SHARE_OF_ECHO: Final = 0.45


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """Where the pages are."""

    tier: int
    name: str
    memory_bytes: int
    spool: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_memory(self) -> bool:
        """Whether all pages are in memory."""
        return self.tier == Tier.TIER_MEMORY


_PLACES: Final = (
    _Place(Tier.TIER_MEMORY, "memory", 2_000 * MB),
    # So little memory that it holds the page directories, and a few hundred pages.
    _Place(Tier.TIER_STORE, "the store only", 16 * MB, {"SYMBOLON_SPOOL_BYTES": "0"}),
    _Place(Tier.TIER_SPOOL, "the spool only", 16 * MB),
)


@dataclass(frozen=True, slots=True)
class _Case:
    place: _Place
    frames: int

    @property
    def what(self) -> str:
        """What it is called."""
        return f"{self.frames:,} frames a call, pages in {self.place.name}"


@dataclass(frozen=True, slots=True)
class _Sample:
    """One round."""

    microseconds: float
    """Of processor time for a frame."""

    calls_per_second: float


def run(bench: Bench) -> PartResult:
    """Measure each place with a server of its own."""
    caches = convert_files(bench.files) if has_symbolic() else {}
    rows: list[list[Cell]] = []
    bars: list[Bar] = []
    for place in _PLACES:
        with (
            TemporaryDirectory() as answers,
            SymbolServer(bench.files) as supplier,
            Symbolon(
                supplier.url,
                {"SYMBOLON_MEMORY_BYTES": str(place.memory_bytes), **place.spool},
            ) as symbolon,
            Caller() as caller,
        ):
            fresh = _Fresh(bench, place, symbolon, caller, caches)
            cases = fresh.make_ready(Path(answers))
            with EchoServer(Path(answers)) as echo:
                for case, answer in cases.items():
                    row, more = fresh.measure(case, echo.target, answer)
                    rows.append(row)
                    bars += more
    columns = (
        "pages in",
        "frames",
        "from there (%)",
        "µs a frame",
        "SymCache.lookup (µs)",
        "ratio",
        "calls/s",
        "echo calls/s",
        "ratio to echo",
        "frames/s",
    )
    return PartResult(
        part="fresh",
        tables=[Table("Frames that nobody asked for before", columns, rows)],
        bars=bars,
        notes=[
            (
                f"µs are processor time: of the whole server for each frame of calls by {_CALLERS} "
                "callers at a time, and of `SymCache.lookup` for the same frames. Calls name "
                f"{_MODULES} modules with frames and {_UNREFERENCED} without; stacks have "
                f"{STACK_FRAMES} frames."
            ),
            (
                "Of what a call needs of pages, page directories and page dictionaries, the share "
                "in the column “from there” was in the place that is measured."
            ),
        ],
    )


class _Fresh:
    """The calls for one place of the pages."""

    def __init__(
        self,
        bench: Bench,
        place: _Place,
        symbolon: Symbolon,
        caller: Caller,
        caches: Mapping[str, Any],
    ) -> None:
        self._bench = bench
        self._place = place
        self._symbolon = symbolon
        self._caller = caller
        self._caches = caches
        self._random = Random(_SEED)
        self._modules = [_NewOffsets(file, self._random) for file in self._choose_files()]

    def _choose_files(self) -> Iterator[SymbolFile]:
        """Yield the files themselves, then the smaller ones under other ids."""
        files = self._bench.files
        small = sorted(files, key=lambda file: file.size)[:2]
        yield from files[:_MODULES]
        for number in range(_MODULES - len(files)):
            yield small[number % len(small)].with_another_id(self._random)

    def make_ready(self, answers: Path) -> dict[_Case, bytes]:
        """Have all modules ingested; return an answer of each case, which is put down, too."""
        self._bench.progress.begin(f"fresh: modules for {self._place.name}", 1)
        self._caller.answer_fully(self._symbolon, self._request(self._take(_MODULES, in_turn=True)))
        found = {}
        for frames in self._bench.plan.fresh_frames:
            request = self._request(self._take(frames))
            answer = self._caller.answer_fully(self._symbolon, request)
            (answers / str(frames)).write_bytes(answer)
            found[_Case(self._place, frames)] = answer
        return found

    def measure(self, case: _Case, echo: str, answer: bytes) -> tuple[list[Cell], list[Bar]]:
        """Return the row of a case, and its bars."""
        plan = self._bench.plan
        total = plan.fresh_held if self._place.is_memory else plan.fresh_stored
        calls = max(1, total // case.frames)
        asked = self._caller.write_request(f"echo-{case.frames}", answer[:1])
        sampled = self._take(min(total, plan.lookups))
        pending = [
            [self._take(case.frames) for _ in range(calls)] for _ in range(self._bench.plan.rounds)
        ]
        if self._place.is_memory:
            self._prime([one for each in pending for frames in each for one in frames])
        from_there = self._share_from_there(case.frames)

        def ask() -> _Sample:
            return self._ask(pending.pop())

        def echo_calls() -> float:
            method = f"/{SERVICE}/{case.frames}"
            return self._caller.load(
                echo, method, asked, plan.load_seconds, _CALLERS
            ).calls_per_second

        measures: dict[str, Any] = {"symbolon": ask, "echo": echo_calls}
        if self._caches:
            measures["symbolic"] = lambda: self._look_up(sampled)
        found: dict[str, list[Any]] = self._bench.rounds(f"fresh: {case.what}", measures)
        return _row(case, from_there, found), _bars(case, found)

    def _ask(self, calls: Sequence[Sequence["_Asked"]]) -> _Sample:
        """Make these calls at once."""
        requests = [self._request(frames).SerializeToString() for frames in calls]
        if not self._place.is_memory:
            self._forget()
        program = self._symbolon.program
        before = program.processor_seconds()
        elapsed = self._caller.each(self._symbolon.target, requests, _CALLERS)
        used = program.processor_seconds() - before
        return _Sample(used * 1e6 / sum(map(len, calls)), len(calls) / elapsed)

    def _forget(self) -> None:
        """Empty the store, if the spool is to answer; it has all that the store had."""
        if self._place.tier == Tier.TIER_SPOOL:
            with connect(self._symbolon.store_url) as store:
                store.flushall()

    def _prime(self, asked: Sequence["_Asked"]) -> None:
        """Have the pages of these frames in memory: by asking for the same offsets otherwise."""
        self._bench.progress.begin("fresh: pages are put into memory", len(asked) // _AT_ONCE + 1)
        for start in range(0, len(asked), _AT_ONCE):
            request = self._request(asked[start : start + _AT_ONCE], are_returns=False)
            self._caller.call(self._symbolon.target, request.SerializeToString())
            self._bench.progress.advance()

    def _share_from_there(self, frames: int) -> float:
        """Return how much of a call's needs the place has, in %."""
        asked = self._take(frames)
        if self._place.is_memory:
            self._prime(asked)
        self._forget()
        request = self._request(asked)
        request.with_diagnostics = True
        answer, _ = self._caller.call(self._symbolon.target, request.SerializeToString())
        tiers = SymbolicateResponse.FromString(answer).diagnostics.tiers
        hits = {int(one.tier): one.hits for one in tiers if one.tier != Tier.TIER_FRAMES}
        return 100 * hits.get(self._place.tier, 0) / max(1, sum(hits.values()))

    def _take(self, frames: int, *, in_turn: bool = False) -> list["_Asked"]:
        """Return frames that were never returned before."""
        count = len(self._modules)
        indexes = (
            number % count if in_turn else pick_module(count, self._random)
            for number in range(frames)
        )
        return [_Asked(index, self._modules[index].take()) for index in indexes]

    def _request(
        self, asked: Sequence["_Asked"], *, are_returns: bool = True
    ) -> SymbolicateRequest:
        modules = [module_message(module.file.module_id) for module in self._modules]
        request = SymbolicateRequest(modules=modules)
        for number in range(_UNREFERENCED):
            request.modules.add(
                debug_file=f"libunreferenced{number}.so", debug_id=f"{number:032X}0"
            )
        for start in range(0, len(asked), STACK_FRAMES):
            frames = [
                stack_pb2.Frame(
                    module_index=one.index,
                    module_offset=one.offset + are_returns,
                    is_return_address=are_returns,
                )
                for one in asked[start : start + STACK_FRAMES]
            ]
            request.stacks.append(stack_pb2.Stack(frames=frames))
        return request

    def _look_up(self, asked: Sequence["_Asked"]) -> float:
        """Return the µs of processor time for a frame."""
        frames = [(self._caches[self._modules[one.index].file.name], one.offset) for one in asked]
        start = process_time()
        look_up(frames)
        return (process_time() - start) * 1e6 / len(frames)


@dataclass(frozen=True, slots=True)
class _Asked:
    """An offset in a module, by its place in the request."""

    index: int
    offset: int


class _NewOffsets:
    """Offsets of a file, each of them once."""

    def __init__(self, file: SymbolFile, random: Random) -> None:
        self.file = file
        self._random = random
        self._taken: set[int] = set()
        self._next: list[int] = []

    def take(self) -> int:
        """Return an offset within a function."""
        while not self._next:
            sampled = self.file.sample_offsets(_AT_ONCE, self._random)
            self._next = [*{*sampled} - self._taken]
            self._taken.update(self._next)
        return self._next.pop()


def _row(case: _Case, from_there: float, found: Mapping[str, Sequence[Any]]) -> list[Cell]:
    microseconds = median_of(found["symbolon"], lambda sample: sample.microseconds)
    calls = median_of(found["symbolon"], lambda sample: sample.calls_per_second)
    against: list[Cell] = ["-", "-"]
    if "symbolic" in found:
        against = [median_of(found["symbolic"], float), _times_symbolic(found)]
    return [
        case.place.name,
        case.frames,
        from_there,
        microseconds,
        *against,
        calls,
        median_of(found["echo"], float),
        _share_of_echo(found),
        calls * case.frames,
    ]


def _times_symbolic(found: Mapping[str, Sequence[Any]]) -> float:
    return median_ratio([sample.microseconds for sample in found["symbolon"]], found["symbolic"])


def _share_of_echo(found: Mapping[str, Sequence[Any]]) -> float:
    return median_ratio([sample.calls_per_second for sample in found["symbolon"]], found["echo"])


def _bars(case: _Case, found: Mapping[str, Sequence[Any]]) -> list[Bar]:
    bars = []
    limit = _TIMES_SYMBOLIC.get(case.place.tier)
    if case.frames == _FEW_FRAMES and limit is not None and "symbolic" in found:
        what = f"processor time ÷ SymCache.lookup, {case.what}"
        bars.append(Bar(what, _times_symbolic(found), limit, is_floor=False))
    if case.frames == _FEW_FRAMES and case.place.is_memory:
        what = f"calls/s ÷ echo, {case.what}"
        bars.append(Bar(what, _share_of_echo(found), _SHARE_OF_ECHO, is_floor=True))
    return bars
