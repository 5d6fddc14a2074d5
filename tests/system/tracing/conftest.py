"""A site that is traced, its collector, and a caller with traces of its own."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from symbolon import Client
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.app.conftest import PATIENCE_SECONDS, environment_in, starting
from tests.fixtures.symbol_server import SymbolServer
from tests.ingest.symbol_files import numbered_module, symbol_file
from tests.system.conftest import Site, redis_pair_in, site_of
from tests.telemetry.tracing.collector import Collector

CALL = "symbolon.v1.SymbolicationService/Symbolicate"
TRACED = {"tracing": "true"}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def traced_site(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose programs send their spans to `collector` if their settings say so."""
    folder = tmp_path_factory.mktemp("traced")
    environment = environment_in(folder) | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    with (
        redis_pair_in(folder / "redis") as pair,
        SymbolServer(folder / "symbol-server") as supplier,
        starting(environment, folder) as start,
        site_of(pair, supplier, start, folder / "spool") as site,
    ):
        yield site


@pytest.fixture(scope="session")
def callers_spans() -> InMemorySpanExporter:
    """The spans of this process, whose OpenTelemetry can be set up once only."""
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(provider)
    return spans


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A caller that is traced."""

    spans: InMemorySpanExporter

    def span_named(self, name: str) -> ReadableSpan:
        (span,) = (span for span in self.spans.get_finished_spans() if span.name == name)
        return span


@pytest.fixture
def pipeline(callers_spans: InMemorySpanExporter) -> Pipeline:
    callers_spans.clear()
    return Pipeline(callers_spans)


def put_module(site: Site, number: int) -> ModuleId:
    """Let the supplier have a module."""
    module_id = numbered_module(number)
    site.supplier.put(module_id, symbol_file(module_id))
    return module_id


def traced_client(address: str) -> Client:
    return Client(address, timeout=PATIENCE_SECONDS, tracing=True)
