"""Each alert is raised by what it is about, and by nothing else."""

from collections.abc import Mapping
from pathlib import Path

from tests.project.alerting import History, find_differences, needs_promtool, rules

A = {"instance": "a:1"}
DEFECT = {**A, "method": "Symbolicate"}
END = 120


def series(name: str, labels: Mapping[str, str] = A) -> str:
    told = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{told}}}"


def ups(*values: str) -> dict[str, str]:
    return {
        series("up", {"job": "symbolon", "instance": f"{name}:1"}): value
        for name, value in zip("ab", values, strict=True)
    }


def of_call(code: str) -> str:
    return series("symbolon_calls_total", {**DEFECT, "code": code})


def counter(name: str, values: str, **labels: str) -> dict[str, str]:
    return {series(name, {**A, **labels}): values}


def buckets(name: str, seconds: float) -> dict[str, str]:
    """One observation a minute, each of more than `seconds`."""
    return counter(f"{name}_bucket", "0x120", le=str(seconds)) | counter(
        f"{name}_bucket", "0+1x120", le="+Inf"
    )


def raising(
    alert: str, series: Mapping[str, str], minute: int, labels: Mapping[str, str] | None = None
) -> History:
    return History(series, minute, {alert: [labels or {}]})


ALARMS = [
    raising("SymbolonGone", {}, 10),
    raising(
        "SymbolonInstanceDown",
        ups("1x120", "1x5 0x110"),
        12,
        {"job": "symbolon", "instance": "b:1"},
    ),
    raising("SymbolonDefect", {of_call("INTERNAL"): "0x5 1x120"}, 10, DEFECT),
    raising(
        "SymbolonDefectInStreams",
        counter("symbolon_stream_answers_total", "0x5 1x120", code="INTERNAL"),
        10,
        A,
    ),
    raising("SymbolonFull", counter("symbolon_calls_refused_total", "0+1x120"), 15, A),
    raising("SymbolonTooManyWait", counter("symbolon_calls_not_waiting_total", "0+1x120"), 30, A),
    raising(
        "SymbolonStoreFails",
        counter("symbolon_redis_errors_total", "0+1x120", server="store"),
        15,
        A,
    ),
    raising(
        "SymbolonCacheFails",
        counter("symbolon_redis_errors_total", "0+1x120", server="cache"),
        15,
        A,
    ),
    raising(
        "SymbolonNoWorker",
        counter("symbolon_queue_length", "1x120", band="awaited")
        | counter("symbolon_ingests_total", "5x120", outcome="ingested"),
        30,
    ),
    raising("SymbolonQueueWaits", buckets("symbolon_queue_wait_seconds", 120), 40),
    raising("SymbolonIngestsSlow", buckets("symbolon_ingest_seconds", 300), 70),
    raising(
        "SymbolonSupplierFails",
        counter("symbolon_supplier_fetches_total", "0+1x120", supplier="s", outcome="found")
        | counter("symbolon_supplier_fetches_total", "0+2x120", supplier="s", outcome="not_asked"),
        40,
        {"supplier": "s"},
    ),
    raising(
        "SymbolonManyMalformed",
        counter("symbolon_ingests_total", "0+1x120", outcome="malformed"),
        60,
    ),
    raising(
        "SymbolonManyMissing",
        counter("symbolon_frames_total", "0+2x120", outcome="module_missing")
        | counter("symbolon_frames_total", "0+1x120", outcome="found"),
        100,
    ),
    raising(
        "SymbolonSpoolSkips",
        counter("symbolon_spool_skips_total", "0x5 12x110", reason="no_space"),
        20,
        {**A, "reason": "no_space"},
    ),
]
"""What raises each alert."""

ALERTS = [alert for history in ALARMS for alert in history.raised]


def test_every_alert_has_what_raises_it() -> None:
    assert [rule["alert"] for rule in rules()] == ALERTS


@needs_promtool
def test_an_alert_is_raised_by_what_it_is_about(tmp_path: Path) -> None:
    assert find_differences(ALARMS, tmp_path) == ""


@needs_promtool
def test_no_alert_is_raised_where_nothing_happens(tmp_path: Path) -> None:
    """The series of all alerts stand still, the queue is empty, and all targets answer."""
    still = {
        name: f"{0 if 'queue_length' in name else 3}x{END}"
        for history in ALARMS
        for name in history.series
    }
    calm = still | ups(f"1x{END}", f"1x{END}") | counter("symbolon_calls_in_flight", f"0x{END}")
    assert find_differences([History(calm, END, dict.fromkeys(ALERTS, ()))], tmp_path) == ""


@needs_promtool
def test_one_worker_of_two_that_is_gone_raises_an_alert(tmp_path: Path) -> None:
    """Both servers and the other worker answer, so that nothing of Symbolon is absent."""
    targets = {
        series("up", {"job": "symbolon", "instance": name}): values
        for name, values in (
            ("server-1", f"1x{END}"),
            ("server-2", f"1x{END}"),
            ("worker-1", f"1x{END}"),
            ("worker-2", "1x5 0x110"),
        )
    }
    told = targets | counter("symbolon_calls_in_flight", f"0x{END}")
    gone = {"job": "symbolon", "instance": "worker-2"}
    raised = {"SymbolonGone": [], "SymbolonInstanceDown": [gone]}
    assert find_differences([History(told, 12, raised)], tmp_path) == ""
