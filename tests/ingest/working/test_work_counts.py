"""Counts of an ingest process are added to its worker's metrics."""

from pathlib import Path

import pytest

from symbolon_server.ingest.working.ingest_process import WorkLimits, run_in_process
from symbolon_server.ingest.working.results import (
    Count,
    IngestOutcome,
    IngestResult,
    WorkCounts,
    add_to_metrics,
    result_of,
)
from symbolon_server.store.spool import SkipReason
from symbolon_server.suppliers.chain import Attempt, AttemptOutcome, SupplierChain
from symbolon_server.suppliers.directory import DirectorySupplier
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.telemetry.metrics import REGISTRY
from tests.ingest.symbol_files import symbol_file

pytestmark = pytest.mark.filterwarnings(
    # numpy's threads have fork handlers; Python 3.12 and later warn about any thread
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)

LIMITS = WorkLimits(memory_bytes=8 << 30, seconds=60)


def value_of(metric: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(metric, labels) or 0.0


def test_counts_add_up() -> None:
    counts = WorkCounts()
    found = Attempt("a", AttemptOutcome.FOUND, "", 0.1, 1000)
    for attempt in (found, found, Attempt("b", AttemptOutcome.MISSING, "no", 0.1, 0)):
        counts.add_attempt(attempt)
    counts.add_store_error("timeout")
    counts.add_spool_skip(SkipReason.DAMAGED)
    assert set(counts.counts()) == {
        Count("supplier_fetches", ("a", "found"), 2),
        Count("supplier_bytes", ("a",), 2000),
        Count("supplier_fetches", ("b", "missing"), 1),
        Count("supplier_bytes", ("b",), 0),
        Count("redis_errors", ("store",), 1),
        Count("spool_skips", ("damaged",), 1),
    }


def test_counts_pass_through_the_pipe_into_the_metrics(xul: ModuleId, tmp_path: Path) -> None:
    path = tmp_path / xul.debug_file / xul.debug_id / xul.symbol_file_name
    path.parent.mkdir(parents=True)
    path.write_bytes(symbol_file(xul))
    empty = tmp_path / "empty"
    empty.mkdir()
    counts = WorkCounts()
    suppliers = [DirectorySupplier(empty), DirectorySupplier(tmp_path)]
    chain = SupplierChain(suppliers, counts.add_attempt)

    def work() -> bytes:
        chain.fetch(AskedModule(xul), list)
        counts.add_spool_skip(SkipReason.NO_SPACE)
        return IngestResult(IngestOutcome.INGESTED, counts=counts.counts()).encode()

    result = result_of(run_in_process(work, LIMITS, lambda: True), LIMITS)
    assert result is not None
    assert counts.counts() == (), "the fork counted in its own memory"
    skips = value_of("symbolon_spool_skips_total", reason="no_space")
    add_to_metrics(result.counts)
    fetches = {
        (name, outcome): value_of("symbolon_supplier_fetches_total", supplier=name, outcome=outcome)
        for name in chain.names
        for outcome in ("found", "missing")
    }
    first, second = chain.names
    assert {key: value for key, value in fetches.items() if value} == {
        (first, "missing"): 1.0,
        (second, "found"): 1.0,
    }
    assert value_of("symbolon_supplier_bytes_total", supplier=second) == path.stat().st_size
    assert value_of("symbolon_spool_skips_total", reason="no_space") == skips + 1
