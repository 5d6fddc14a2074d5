"""A collector that is down, or hangs, costs callers nothing but the spans."""

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.conftest import starting
from tests.fixtures.symbol_server import SymbolServer
from tests.system.conftest import RedisPair, Site, ask, functions, site_of
from tests.system.tracing.conftest import TRACED, put_module
from tests.telemetry.tracing.collector import Collector

PARENT = ("traceparent", f"00-{'a' * 32}-{'b' * 16}-01")
STOP_SECONDS = 8.0
"""For a program whose collector hangs: it tries for two seconds to send its last spans."""


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """Takes connections, and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening


@pytest.fixture
def unanswered(
    listening: socket.socket,
    redis_pair: RedisPair,
    symbol_server: SymbolServer,
    environment: dict[str, str],
    tmp_path: Path,
) -> Iterator[Site]:
    """A site whose collector hangs."""
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    environment = environment | {"OTEL_EXPORTER_OTLP_ENDPOINT": url}
    with (
        starting(environment, tmp_path) as start,
        site_of(redis_pair, symbol_server, start, tmp_path / "spool") as site,
    ):
        yield site


@pytest.mark.promise("Without a collector no call fails or waits, and spans are lost")
def test_calls_and_ingests_go_on_without_the_collector_and_programs_end(unanswered: Site) -> None:
    worker = unanswered.work(**TRACED)
    server = unanswered.serve(**TRACED)
    client = unanswered.connect(server)._with_metadata(PARENT)
    for number in range(5):
        module_id = put_module(unanswered, number)
        assert functions(ask(client, [(module_id, 32)])) == ["function_1"]
    for program in (worker, server):
        start = time.monotonic()
        assert program.end(signal.SIGTERM) == 0
        assert time.monotonic() - start < STOP_SECONDS
        assert program.log.count("collector_lost") <= 1
        assert "Traceback" not in program.log


def test_a_program_that_ends_sends_its_last_spans(collector: Collector, traced_site: Site) -> None:
    server = traced_site.serve(**TRACED)
    client = traced_site.connect(server)
    trace_id = "c" * 32
    client._with_metadata(("traceparent", f"00-{trace_id}-{'b' * 16}-01")).get_queue()
    assert server.end(signal.SIGTERM) == 0
    assert [span.name for span in collector.spans if span.trace_id == trace_id].count(
        "symbolon.v1.ModuleService/GetQueue"
    ) == 1
