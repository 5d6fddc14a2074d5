"""What Prometheus gets of a server and its worker, each a program with an address of its own."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import grpc
import pytest
import redis

from symbolon.v1 import (
    module_pb2,
    module_service_pb2,
    module_service_pb2_grpc,
    stack_pb2,
    store_service_pb2,
    symbolication_service_pb2,
    symbolication_service_pb2_grpc,
)
from symbolon_server.ingest.working.results import IngestOutcome
from symbolon_server.rpc.serving.interceptors import CODES
from symbolon_server.store.spool import SkipReason
from symbolon_server.suppliers.chain import AttemptOutcome
from symbolon_server.symbolication.memory.queries import FrameOutcome, ModuleOutcome, TierName
from symbolon_server.telemetry.metrics import all_metrics
from tests.app.conftest import SAMPLE, environment_in, starting, wait_until
from tests.fixtures.scraping import Series, find_address, of, scrape, written
from tests.project.alerting import History, find_differences, needs_promtool

ORCHARD = module_pb2.Module(debug_file="orchard", debug_id="C3D8E3C7B6594DF1DFCA907993B477250")
LOST = module_pb2.Module(debug_file="lost.pdb", debug_id="0123456789ABCDEF0123456789ABCDEF1")
SUPPLIER = str(SAMPLE / "symbols")
(SYMBOL_FILE,) = (SAMPLE / "symbols").glob("orchard/*/*")
SERVICES = (symbolication_service_pb2, module_service_pb2, store_service_pb2)
THREADS = (
    "announcements",
    "arrivals",
    "following",
    "heap-keeper",
    "looks",
    "metrics",
    "stream-answer",
    "stream-take",
)
METHODS = [
    method.name
    for file in SERVICES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]


@dataclass(frozen=True, slots=True)
class Watched:
    """A server and its worker, as Prometheus sees them."""

    server: str
    metrics: Sequence[str]
    at_first: Mapping[Series, float]
    """What was scraped before the first call."""

    def scrape(self) -> Mapping[Series, float]:
        return sum_up(self.metrics)


def sum_up(addresses: Iterable[str]) -> Mapping[Series, float]:
    """Return the sums of what several tell."""
    scraped = [scrape(address) for address in addresses]
    return {
        series: sum(values.get(series, 0.0) for values in scraped)
        for series in set().union(*scraped)
    }


@pytest.fixture(scope="module")
def watched(
    tmp_path_factory: pytest.TempPathFactory,
    redis_store_url: str,
    redis_cache_url: str,
    redis_store: redis.Redis,
    redis_cache: redis.Redis,
) -> Iterator[Watched]:
    """Both are ready; only one of the tests calls."""
    redis_store.flushall()
    redis_cache.flushall()
    folder = tmp_path_factory.mktemp("watched")
    shared = {
        "store_url": redis_store_url,
        "cache_url": redis_cache_url,
        "suppliers": SUPPLIER,
        "listen": "127.0.0.1:0",
        "metrics_listen": "127.0.0.1:0",
    }
    with starting(environment_in(folder), folder) as start:
        server, worker = start("serve", **shared), start("worker", **shared)
        called = server.await_address()
        metrics = [find_address(server), find_address(worker)]
        # The last that a worker does before it takes jobs.
        ready = of("symbolon_supplier_fetches_total", supplier=SUPPLIER, outcome="not_asked")
        wait_until(lambda: ready in sum_up(metrics))
        yield Watched(called, metrics, sum_up(metrics))


def expected_series() -> set[Series]:
    """Every series of counters that calls and ingests can add to."""
    closed: list[tuple[str, dict[str, Iterable[str]]]] = [
        ("symbolon_calls_total", {"method": METHODS, "code": CODES}),
        ("symbolon_call_seconds_count", {"method": METHODS}),
        ("symbolon_calls_denied_total", {"code": ["UNAUTHENTICATED", "PERMISSION_DENIED"]}),
        ("symbolon_stream_answers_total", {"code": CODES}),
        ("symbolon_frames_total", {"outcome": ["remembered", *lower(FrameOutcome)]}),
        ("symbolon_modules_total", {"outcome": lower(ModuleOutcome)}),
        ("symbolon_lookups_total", {"tier": lower(TierName), "result": ["hit", "miss"]}),
        ("symbolon_redis_errors_total", {"server": ["store", "cache"]}),
        ("symbolon_spool_skips_total", {"reason": values(SkipReason)}),
        ("symbolon_thread_errors_total", {"thread": THREADS}),
        ("symbolon_ingests_total", {"outcome": values(IngestOutcome)}),
        ("symbolon_pages_put_total", {"age": ["new", "aged", "left_out"]}),
        ("symbolon_spans_total", {"result": ["sent", "lost"]}),
        ("symbolon_supplier_bytes_total", {"supplier": [SUPPLIER]}),
        (
            "symbolon_supplier_fetches_total",
            {"supplier": [SUPPLIER], "outcome": values(AttemptOutcome)},
        ),
    ]
    return {
        of(name, **dict(zip(labels, row, strict=True)))
        for name, labels in closed
        for row in itertools.product(*labels.values())
    }


def lower(names: type[Enum]) -> list[str]:
    return [name.lower() for name in names.__members__]


def values(names: type[Enum]) -> list[str]:
    return [member.value for member in names]


def test_series_are_there_at_0_before_the_first_call(watched: Watched) -> None:
    seen = watched.at_first
    expected = expected_series()
    assert {series: seen.get(series) for series in expected} == dict.fromkeys(expected, 0.0)
    labelled = {f"{metric._name}_total" for metric in all_metrics() if metric._type == "counter"}
    without = {name for name in labelled if of(name) in seen}
    assert labelled - without == {name for name, _ in expected if name in labelled}


@needs_promtool
def test_the_first_defect_of_each_method_raises_its_alert(watched: Watched, tmp_path: Path) -> None:
    """Told on from what is scraped at the start: the value stays, and then is one more."""
    defects = [
        (series, value)
        for series, value in watched.at_first.items()
        if series[0] == "symbolon_calls_total" and ("code", "INTERNAL") in series[1]
    ]
    target = {("instance", watched.server)}  # which Prometheus adds
    history = {
        written((name, labels | target)): f"{value:g}x5 {value + 1:g}x20"
        for (name, labels), value in defects
    }
    raised = {"SymbolonDefect": [{"method": name, "instance": watched.server} for name in METHODS]}
    assert find_differences([History(history, 10, raised)], tmp_path) == ""


def test_each_counter_counts_what_it_says(watched: Watched) -> None:
    with grpc.insecure_channel(watched.server) as channel:
        symbolication = symbolication_service_pb2_grpc.SymbolicationServiceStub(channel)
        modules = module_service_pb2_grpc.ModuleServiceStub(channel)
        symbolication.Symbolicate(request([ORCHARD, LOST], (0, 0x10B0), (1, 7)))
        symbolication.Symbolicate(request([ORCHARD, LOST], (0, 0x10B0), (1, 7)))
        with pytest.raises(grpc.RpcError):
            symbolication.Symbolicate(request([ORCHARD], (1, 0)))
        asked = symbolication_service_pb2.SymbolicateStreamRequest(
            id="a", request=request([ORCHARD], (0, 0x10B0))
        )
        list(symbolication.SymbolicateStream(iter([asked])))
        modules.GetModule(module_service_pb2.GetModuleRequest(module=ORCHARD))
    wait_until(lambda: watched.scrape()[call("SymbolicateStream", "OK")] == 1)
    seen = watched.scrape()
    expected = {
        call("Symbolicate", "OK"): 2,
        call("Symbolicate", "INVALID_ARGUMENT"): 1,
        call("SymbolicateStream", "OK"): 1,
        call("GetModule", "OK"): 1,
        of("symbolon_call_seconds_count", method="Symbolicate"): 3,
        of("symbolon_call_seconds_count", method="SymbolicateStream"): 1,
        of("symbolon_call_seconds_count", method="GetModule"): 1,
        of("symbolon_call_wait_seconds_count"): 1,
        of("symbolon_stream_answers_total", code="OK"): 1,
        of("symbolon_frames_total", outcome="symbolicated"): 1,
        of("symbolon_frames_total", outcome="remembered"): 2,
        of("symbolon_frames_total", outcome="module_missing"): 2,
        of("symbolon_modules_total", outcome="found"): 3,
        of("symbolon_modules_total", outcome="missing"): 2,
        of("symbolon_ingests_total", outcome="ingested"): 1,
        of("symbolon_ingests_total", outcome="missing"): 1,
        of("symbolon_pages_put_total", age="new"): 1,
        of("symbolon_ingest_seconds_count"): 1,
        of("symbolon_queue_wait_seconds_count"): 2,
        of("symbolon_supplier_fetches_total", supplier=SUPPLIER, outcome="found"): 1,
        of("symbolon_supplier_fetches_total", supplier=SUPPLIER, outcome="missing"): 1,
        of("symbolon_supplier_bytes_total", supplier=SUPPLIER): SYMBOL_FILE.stat().st_size,
        of("symbolon_calls_in_flight"): 0,
        of("symbolon_streams"): 0,
    }
    assert {series: seen[series] for series in expected} == expected
    others = {
        series
        for series, value in seen.items()
        if value and series in expected_series() and series not in expected
    }
    assert {series for series in others if series[0] != "symbolon_lookups_total"} == set()


def request(
    modules: Sequence[module_pb2.Module], *frames: tuple[int, int]
) -> symbolication_service_pb2.SymbolicateRequest:
    stack = stack_pb2.Stack(
        frames=[stack_pb2.Frame(module_index=index, module_offset=at) for index, at in frames]
    )
    return symbolication_service_pb2.SymbolicateRequest(modules=modules, stacks=[stack])


def call(method: str, code: str) -> Series:
    return of("symbolon_calls_total", method=method, code=code)
