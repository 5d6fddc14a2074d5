import os
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from symbolon_server.telemetry import metrics
from symbolon_server.telemetry.endpoint import (
    MULTIPROCESS_FOLDER_VARIABLE,
    MetricsEndpoint,
    Probes,
    registry_of_processes,
)

COUNT_ONE_CALL = """
from symbolon_server.telemetry.metrics import CALLS
CALLS.labels("Symbolicate", "OK").inc()
"""

INGEST_BUCKETS = metrics.INGEST_SECONDS._upper_bounds[:-1]

OBSERVE_TWO_INGESTS = """
from symbolon_server.telemetry.metrics import INGEST_SECONDS, INGESTS
INGESTS.labels("ingested").inc()
INGESTS.labels("missing").inc()
INGEST_SECONDS.observe(0.03)
INGEST_SECONDS.observe(9.0)
"""

HOLD_ONE_CALL = """
import signal
from symbolon_server.telemetry.metrics import CALLS_IN_FLIGHT, CALLS_REFUSED
CALLS_REFUSED.inc()
CALLS_IN_FLIGHT.inc()
print("held", flush=True)
signal.pause()
"""


def scrape(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {
        sample.name + "".join(sorted(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_connection_that_says_nothing_is_closed_and_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("symbolon_server.telemetry.endpoint._SilentHandler.timeout", 0.2)
    errors: list[Exception] = []
    monkeypatch.setattr(
        "symbolon_server.telemetry.endpoint._Server.failed_requests.note", errors.append
    )
    with (
        MetricsEndpoint("127.0.0.1", 0) as endpoint,
        socket.create_connection(("127.0.0.1", endpoint.port), 10) as silent,
    ):
        assert silent.recv(1) == b""
    assert errors == []


def test_the_endpoint_survives_an_unexpected_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    has_failed = threading.Event()

    def fail(_: object) -> None:
        if not has_failed.is_set():
            has_failed.set()
            raise KeyError("a defect")

    monkeypatch.setattr("symbolon_server.telemetry.endpoint._Server.service_actions", fail)
    with MetricsEndpoint("127.0.0.1", 0) as endpoint:
        assert has_failed.wait(10)
        assert scrape(endpoint.port)["symbolon_thread_errors_totalmetrics"] >= 1


def test_the_endpoint_listens_on_ipv4_and_ipv6() -> None:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
    with MetricsEndpoint("::1", 0) as endpoint:
        socket.create_connection(("::1", endpoint.port), timeout=10).close()


def test_the_endpoint_serves_what_was_counted() -> None:
    with MetricsEndpoint("127.0.0.1", 0) as endpoint:
        before = scrape(endpoint.port).get("symbolon_calls_refused_total", 0)
        metrics.CALLS_REFUSED.inc()
        assert scrape(endpoint.port)["symbolon_calls_refused_total"] == before + 1


def test_probes_are_answered_in_a_word_or_with_what_is_wrong() -> None:
    problems = {"live": "", "ready": "the cache is gone"}
    probes = Probes(lambda: problems["live"], lambda: problems["ready"])
    with MetricsEndpoint("127.0.0.1", 0, probes=probes) as endpoint:
        assert probe(endpoint.port, "/livez") == (200, "live\n")
        assert probe(endpoint.port, "/readyz") == (503, "not ready: the cache is gone\n")
        problems.update(live="it hangs", ready="")
        assert probe(endpoint.port, "/livez") == (503, "not live: it hangs\n")
        assert probe(endpoint.port, "/readyz?verbose") == (200, "ready\n")


def probe(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_closed_endpoint_frees_its_port() -> None:
    with MetricsEndpoint("127.0.0.1", 0) as endpoint:
        port = endpoint.port
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_port_in_use_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            MetricsEndpoint("127.0.0.1", taken.getsockname()[1])


def test_the_values_of_several_processes_add_up(tmp_path: Path) -> None:
    environment = os.environ | {MULTIPROCESS_FOLDER_VARIABLE: str(tmp_path)}
    for _ in range(2):
        subprocess.run([sys.executable, "-c", COUNT_ONE_CALL], env=environment, check=True)
    own = CollectorRegistry()
    with MetricsEndpoint("127.0.0.1", 0, registry_of_processes(tmp_path, own)) as endpoint:
        assert scrape(endpoint.port)["symbolon_calls_totalOKSymbolicate"] == 2


def test_calls_of_a_killed_process_are_no_longer_in_flight(tmp_path: Path) -> None:
    environment = os.environ | {MULTIPROCESS_FOLDER_VARIABLE: str(tmp_path)}
    with MetricsEndpoint(
        "127.0.0.1", 0, registry_of_processes(tmp_path, CollectorRegistry())
    ) as endpoint:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD_ONE_CALL], env=environment, stdout=subprocess.PIPE
        )
        with process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"held\n"
            sums = scrape(endpoint.port)
            assert sums["symbolon_calls_in_flight"] == sums["symbolon_calls_refused_total"] == 1
            process.kill()
        sums = scrape(endpoint.port)
        assert "symbolon_calls_in_flight" not in sums
        assert sums["symbolon_calls_refused_total"] == 1


def test_the_counts_of_this_process_are_added_to_those_of_others(tmp_path: Path) -> None:
    environment = os.environ | {MULTIPROCESS_FOLDER_VARIABLE: str(tmp_path)}
    subprocess.run([sys.executable, "-c", OBSERVE_TWO_INGESTS], env=environment, check=True)
    own = CollectorRegistry()
    seconds = Histogram("symbolon_ingest_seconds", "Time.", buckets=INGEST_BUCKETS, registry=own)
    ingests = Counter("symbolon_ingests", "Ingests.", ("outcome",), registry=own)
    frames = Counter("symbolon_frames", "Frames.", registry=own)
    seconds.observe(0.02)
    ingests.labels("ingested").inc(5)
    frames.inc(7)
    with MetricsEndpoint("127.0.0.1", 0, registry_of_processes(tmp_path, own)) as endpoint:
        sums = scrape(endpoint.port)
    assert sums["symbolon_ingests_totalingested"] == 5 + 1
    assert sums["symbolon_ingests_totalmissing"] == 1
    assert sums["symbolon_frames_total"] == 7
    assert sums["symbolon_ingest_seconds_bucket0.05"] == 1 + 1
    assert sums["symbolon_ingest_seconds_bucket10.0"] == 1 + 2
    assert sums["symbolon_ingest_seconds_bucket+Inf"] == sums["symbolon_ingest_seconds_count"] == 3
    assert sums["symbolon_ingest_seconds_sum"] == pytest.approx(0.02 + 0.03 + 9.0)


def test_every_metric_has_our_prefix_and_an_explanation() -> None:
    for metric in metrics.all_metrics():
        (family,) = metric.describe()
        assert family.name.startswith("symbolon_")
        assert family.documentation.endswith(".")


def test_every_metric_is_counted_somewhere() -> None:
    server = Path(metrics.__file__).parents[1]
    sources = [path.read_text() for path in server.rglob("*.py") if path.name != "metrics.py"]
    for name, value in vars(metrics).items():
        if isinstance(value, MetricWrapperBase):
            assert any(f"{name}." in source for source in sources), name
