"""A call of a traced pipeline is one trace, through all programs that take part in it."""

import asyncio
from urllib.parse import urlsplit

import grpc
import pytest
from opentelemetry import trace

from symbolon import AsyncClient, Client, Frame, Module, ServerUnreachableError
from symbolon.v1 import symbolication_service_pb2 as pb
from symbolon.v1.symbolication_service_pb2_grpc import SymbolicationServiceStub
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.app.conftest import PATIENCE_SECONDS
from tests.gateway.asking import V5, await_http, post
from tests.system.conftest import Site, ask, functions
from tests.system.tracing.conftest import CALL, TRACED, Pipeline, put_module, traced_client
from tests.telemetry.tracing.collector import Collector, GotSpan

SECRET = "hunter2"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture(scope="module")
def traced_server(traced_site: Site) -> str:
    """The address of a server with a gateway, and a worker elsewhere."""
    url = traced_site.supplier.url.replace("//", f"//somebody:{SECRET}@")
    traced_site.work(suppliers=f"{url}?token={SECRET}", **TRACED)
    program = traced_site.serve(http="127.0.0.1:0", **TRACED)
    http = await_http(program)
    return f"{program.ready_line.split()[4]} {http}"


@pytest.fixture
def grpc_address(traced_server: str) -> str:
    return traced_server.split(maxsplit=1)[0]


@pytest.fixture
def http_address(traced_server: str) -> str:
    return traced_server.split()[1]


def of_trace(spans: list[GotSpan], trace_id: str) -> list[GotSpan]:
    return [span for span in spans if span.trace_id == trace_id]


def await_trace(collector: Collector, trace_id: str, *names: str) -> list[GotSpan]:
    """Return the spans of a trace as soon as there is one of each name."""

    def is_there(spans: list[GotSpan]) -> bool:
        return set(names) <= {span.name for span in of_trace(spans, trace_id)}

    return of_trace(collector.wait(is_there), trace_id)


def one(spans: list[GotSpan], name: str, service: str) -> GotSpan:
    (found,) = (span for span in spans if (span.name, span.service) == (name, service))
    return found


@pytest.mark.promise("A call of a traced pipeline is one trace, down to the ingest process")
def test_one_trace_leads_from_the_pipeline_to_the_ingest_process(
    collector: Collector, traced_site: Site, grpc_address: str, pipeline: Pipeline
) -> None:
    module_id = put_module(traced_site, 1)
    tracer = trace.get_tracer("pipeline")
    with traced_client(grpc_address) as client, tracer.start_as_current_span("report"):
        assert functions(ask(client, [(module_id, 32)])) == ["function_1"]
    context = pipeline.span_named("report").get_span_context()
    assert context is not None
    trace_id = f"{context.trace_id:032x}"
    spans = await_trace(collector, trace_id, CALL, "process ingest", "put pages")

    call = pipeline.span_named(CALL)
    assert call.parent is not None
    assert call.parent.span_id == context.span_id
    called = call.get_span_context()
    assert called is not None
    # From each span to the one that it is a part of, by name and service.
    server, worker = "symbolon-server", "symbolon-worker"
    by_id = {span.span_id: span for span in spans}
    answering = one(spans, CALL, server)
    assert answering.parent_id == f"{called.span_id:016x}"
    for name, service, parent in (
        ("enqueue ingest", server, CALL),
        ("wait for ingests", server, CALL),
        ("process ingest", worker, "enqueue ingest"),
        ("fetch", worker, "process ingest"),
        ("read symbol file", worker, "fetch"),
        ("write pages", worker, "process ingest"),
        ("write spool", worker, "process ingest"),
        ("put pages", worker, "process ingest"),
    ):
        assert by_id[one(spans, name, service).parent_id].name == parent
    parents = {(span.name, by_id[span.parent_id].name) for span in spans if span is not answering}
    assert {("MGET store", CALL), ("MGET store", "process ingest")} <= parents
    assert ("SET store", "put pages") in parents
    assert not any(span.is_error for span in spans)

    job = one(spans, "process ingest", worker).attributes
    assert job["symbolon.module"] == str(module_id)
    assert job["symbolon.outcome"] == "ingested"
    assert job["messaging.destination.name"] == "ingest"
    fetch = one(spans, "fetch", worker).attributes
    assert fetch["symbolon.outcome"] == "found"
    assert fetch["symbolon.supplier"] == urlsplit(traced_site.supplier.url).netloc
    assert SECRET not in f"{collector.spans} {collector.resources}"


def test_a_call_for_what_is_remembered_is_one_span(
    collector: Collector, traced_site: Site, grpc_address: str, pipeline: Pipeline
) -> None:
    module_id = put_module(traced_site, 2)
    with traced_client(grpc_address) as client:
        ask(client, [(module_id, 32)])
        pipeline.spans.clear()
        modules, stacks = [Module(module_id.debug_file, module_id.debug_id)], [[Frame(0, 32)]]
        client.symbolicate(modules, stacks)
        hot = pipeline.span_named(CALL).get_span_context()
        assert hot is not None
        client.get_module(module_id.debug_file, module_id.debug_id)
    collector.await_span("symbolon.v1.ModuleService/GetModule")
    (span,) = of_trace(collector.spans, f"{hot.trace_id:032x}")
    assert span.attributes == {
        "rpc.system.name": "grpc",
        "rpc.method": CALL,
        "rpc.response.status_code": "OK",
    }


def test_the_asyncio_client_begins_the_same_trace(
    collector: Collector, traced_site: Site, grpc_address: str, pipeline: Pipeline
) -> None:
    module_id = put_module(traced_site, 3)

    async def call() -> str | None:
        async with AsyncClient(grpc_address, timeout=PATIENCE_SECONDS, tracing=True) as client:
            modules = [Module(module_id.debug_file, module_id.debug_id)]
            answer = await client.symbolicate(modules, [[Frame(0, 32)]])
        return answer.stacks[0][0].function

    assert asyncio.run(call()) == "function_1"
    called = pipeline.span_named(CALL)
    assert called.attributes is not None
    assert called.attributes["rpc.response.status_code"] == "OK"
    context = called.get_span_context()
    assert context is not None
    spans = await_trace(collector, f"{context.trace_id:032x}", "process ingest", CALL)
    assert one(spans, CALL, "symbolon-server").parent_id == f"{context.span_id:016x}"


def test_a_call_that_fails_ends_the_callers_span_with_its_status(pipeline: Pipeline) -> None:
    with (
        Client("127.0.0.1:1", timeout=PATIENCE_SECONDS, tracing=True) as client,
        pytest.raises(ServerUnreachableError),
    ):
        client.get_queue()
    (span,) = pipeline.spans.get_finished_spans()
    assert span.attributes is not None
    assert span.attributes["error.type"] == "UNAVAILABLE"
    assert not span.status.is_ok


def test_a_header_continues_over_http(
    collector: Collector, traced_site: Site, http_address: str
) -> None:
    module_id = put_module(traced_site, 4)
    names = [module_id.debug_file, module_id.debug_id]
    report = {"jobs": [{"memoryMap": [names], "stacks": [[[0, 32]]]}]}
    answer = post(http_address, V5, report, traceparent=PARENT, tracestate="vendor=value")
    (((frame,),),) = (result["stacks"] for result in answer.content["results"])
    assert frame["function"] == "function_1"
    spans = await_trace(collector, TRACE, "process ingest", f"POST {V5}", CALL)
    request = one(spans, f"POST {V5}", "symbolon-gateway")
    assert request.parent_id == SPAN
    assert request.attributes["http.response.status_code"] == 200
    assert request.message.trace_state == "vendor=value"
    assert one(spans, CALL, "symbolon-server").parent_id == request.span_id


def test_each_answer_of_a_stream_is_a_part_of_it(
    collector: Collector, traced_site: Site, grpc_address: str
) -> None:
    module_id = put_module(traced_site, 5)
    request = pb.SymbolicateRequest()
    request.modules.add(debug_file=module_id.debug_file, debug_id=module_id.debug_id)
    request.stacks.add().frames.add(module_index=0, module_offset=32)
    trace_id = "1" * 32
    metadata = (("traceparent", f"00-{trace_id}-{SPAN}-01"),)
    with grpc.insecure_channel(grpc_address) as channel:
        stub = SymbolicationServiceStub(channel)
        requests = [pb.SymbolicateStreamRequest(id=name, request=request) for name in "ab"]
        answers = stub.SymbolicateStream(
            iter(requests), metadata=metadata, timeout=PATIENCE_SECONDS
        )
        assert {answer.id for answer in answers} == {"a", "b"}
    stream = "symbolon.v1.SymbolicationService/SymbolicateStream"
    spans = await_trace(collector, trace_id, stream, "process ingest")
    whole = one(spans, stream, "symbolon-server")
    assert whole.attributes["rpc.response.status_code"] == "OK"
    parts = [span for span in spans if span.name == "answer"]
    assert [part.parent_id for part in parts] == [whole.span_id] * 2


def test_a_malformed_file_is_an_error_of_the_ingest(
    collector: Collector, traced_site: Site, grpc_address: str, pipeline: Pipeline
) -> None:
    module_id = ModuleId.parse("damaged.so", f"{6:033X}")
    traced_site.supplier.put(module_id, b"MODULE Linux x86_64 0000 other.so\n")
    with traced_client(grpc_address) as client:
        ask(client, [(module_id, 32)])
    context = pipeline.span_named(CALL).get_span_context()
    assert context is not None
    spans = await_trace(collector, f"{context.trace_id:032x}", "process ingest")
    for name in ("process ingest", "fetch"):
        assert one(spans, name, "symbolon-worker").attributes["error.type"] == "malformed"


def test_a_refused_call_has_its_status(
    collector: Collector, grpc_address: str, pipeline: Pipeline
) -> None:
    trace_id = "2" * 32
    with grpc.insecure_channel(grpc_address) as channel:
        stub = SymbolicationServiceStub(channel)
        request = pb.SymbolicateRequest()
        request.stacks.add().frames.add(module_index=3)
        metadata = (("traceparent", f"00-{trace_id}-{SPAN}-01"),)
        with pytest.raises(grpc.RpcError):
            stub.Symbolicate(request, metadata=metadata, timeout=PATIENCE_SECONDS)
    (span,) = await_trace(collector, trace_id, CALL)
    assert span.attributes["rpc.response.status_code"] == "INVALID_ARGUMENT"
    assert not span.is_error  # it is the caller's


def test_a_trace_that_its_caller_does_not_sample_has_no_spans(
    collector: Collector, traced_site: Site, grpc_address: str, http_address: str
) -> None:
    unsampled, marked = "3" * 32, "4" * 32
    module_id = put_module(traced_site, 7)
    report = {
        "jobs": [{"memoryMap": [[module_id.debug_file, module_id.debug_id]], "stacks": [[[0, 32]]]}]
    }
    for trace_id, flags in ((unsampled, "00"), (marked, "01")):
        answer = post(http_address, V5, report, traceparent=f"00-{trace_id}-{SPAN}-{flags}")
        assert answer.status == 200
    await_trace(collector, marked, f"POST {V5}", CALL)
    assert of_trace(collector.spans, unsampled) == []
    assert "process ingest" not in {span.name for span in of_trace(collector.spans, marked)}


@pytest.mark.promise("Without tracing no span is made, and no job carries a trace")
def test_without_tracing_a_traced_call_leaves_no_spans(
    collector: Collector, traced_site: Site, grpc_address: str, pipeline: Pipeline
) -> None:
    module_id = put_module(traced_site, 8)
    with traced_client(traced_site.serve().await_address()) as client:
        assert functions(ask(client, [(module_id, 32)])) == ["function_1"]
    context = pipeline.span_named(CALL).get_span_context()
    assert context is not None
    with traced_client(grpc_address) as client:
        client.get_store_info()
    collector.await_span("symbolon.v1.StoreService/GetStoreInfo")
    assert of_trace(collector.spans, f"{context.trace_id:032x}") == []
