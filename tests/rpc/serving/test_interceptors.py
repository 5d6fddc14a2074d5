import json
import logging
import re
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import (  # type: ignore[import-untyped] # the package has no py.typed
    error_details_pb2,
    status_pb2,
)
from grpc_health.v1 import health_pb2, health_pb2_grpc

from symbolon.v1.module_service_pb2 import (
    GetModuleRequest,
    GetModuleResponse,
    PrefetchModulesRequest,
)
from symbolon_server.rpc.calls.status import (
    DETAILS_KEY,
    PUSHBACK_KEY,
    FieldViolation,
    refuse_invalid,
)
from symbolon_server.rpc.serving import interceptors
from symbolon_server.telemetry.logs import JsonFormatter
from tests.rpc.scripted import Gate, Serve, answer, count_of


def metadata_of(error: grpc.RpcError) -> dict[str, Any]:
    return {entry.key: entry.value for entry in error.trailing_metadata()}


def status_of(error: grpc.RpcError) -> Any:
    return status_pb2.Status.FromString(metadata_of(error)[DETAILS_KEY])


def test_an_answer_passes_and_is_counted(serve: Serve) -> None:
    before = count_of("symbolon_calls_total", method="GetModule", code="OK")
    assert serve(answer).modules.GetModule(GetModuleRequest()).detail == "fine"
    assert count_of("symbolon_calls_total", method="GetModule", code="OK") == before + 1
    assert count_of("symbolon_call_seconds_count", method="GetModule") >= before + 1


def test_an_unexpected_error_is_internal_and_reveals_nothing(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_request: GetModuleRequest, _context: grpc.ServicerContext) -> GetModuleResponse:
        raise RuntimeError("password=hunter2")

    with pytest.raises(grpc.RpcError) as caught:
        serve(fail).modules.GetModule(GetModuleRequest())
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "hunter2" not in str(caught.value)
    (record,) = caplog.records
    line = json.loads(JsonFormatter().format(record))
    assert line["request_id"] in str(caught.value.details())
    assert "hunter2" in line["traceback"]


def test_a_refusal_keeps_its_status_details_and_writes_no_log(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_request: GetModuleRequest, context: grpc.ServicerContext) -> GetModuleResponse:
        refuse_invalid(context, [FieldViolation("a", "is wrong"), FieldViolation("b", "too")])

    with caplog.at_level(logging.DEBUG), pytest.raises(grpc.RpcError) as caught:
        serve(refuse).modules.GetModule(GetModuleRequest())
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == "a: is wrong (and 1 more)"
    status = status_of(caught.value)
    assert (status.code, status.message) == (3, "a: is wrong (and 1 more)")
    detail = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(detail)
    assert [violation.field for violation in detail.field_violations] == ["a", "b"]
    assert not caplog.records


def test_a_missing_method_is_unimplemented(serve: Serve) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        serve(answer).modules.PrefetchModules(PrefetchModulesRequest())
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_calls_beyond_the_limit_are_refused_with_a_delay_while_health_answers(
    serve: Serve, callers: ThreadPoolExecutor
) -> None:
    gate = Gate()
    serving = serve(gate, threads=2, max_calls=2)
    refused_before = count_of("symbolon_calls_refused_total")
    with gate.holding():
        held = [callers.submit(serving.modules.GetModule, GetModuleRequest()) for _ in range(2)]
        for _ in held:
            assert gate.arrived.acquire(timeout=30)
        assert count_of("symbolon_calls_in_flight") == 2
        with pytest.raises(grpc.RpcError) as caught:
            serving.modules.GetModule(GetModuleRequest(), timeout=30)
        health: Any = health_pb2_grpc.HealthStub(serving.channel)
        healthy = health.Check(health_pb2.HealthCheckRequest(), timeout=30)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "2 calls" in str(caught.value.details())
    detail = error_details_pb2.RetryInfo()
    assert status_of(caught.value).details[0].Unpack(detail)
    assert detail.retry_delay.ToMilliseconds() == 250
    assert metadata_of(caught.value)[PUSHBACK_KEY] == "250"
    assert healthy.status == health_pb2.HealthCheckResponse.SERVING
    assert [future.result(30).detail for future in held] == ["fine", "fine"]
    assert count_of("symbolon_calls_refused_total") == refused_before + 1


def test_queued_calls_count_as_in_flight(serve: Serve, callers: ThreadPoolExecutor) -> None:
    gate = Gate()
    serving = serve(gate, threads=1, max_calls=2)
    with gate.holding():
        first = callers.submit(serving.modules.GetModule, GetModuleRequest())
        assert gate.arrived.acquire(timeout=30)
        outcomes = [callers.submit(serving.modules.GetModule, GetModuleRequest()) for _ in "12"]
        refused = next(as_completed(outcomes, timeout=30))
        assert isinstance(refused.exception(), grpc.RpcError)
    assert first.result(30).detail == "fine"
    assert sorted(future.exception(30) is None for future in outcomes) == [False, True]


def test_a_cancelled_call_leaves_no_count_behind(serve: Serve, callers: ThreadPoolExecutor) -> None:
    gate = Gate()
    serving = serve(gate, threads=1, max_calls=3)
    with gate.holding():
        running = callers.submit(serving.modules.GetModule, GetModuleRequest())
        assert gate.arrived.acquire(timeout=30)
        queued = serving.modules.GetModule.future(GetModuleRequest())
        queued.cancel()
    assert running.result(30).detail == "fine"
    assert serving.modules.GetModule(GetModuleRequest()).detail == "fine"
    serving.server.stop(30)
    assert count_of("symbolon_calls_in_flight") == 0


DENIED = {"UNAUTHENTICATED", "PERMISSION_DENIED"}
"""For calls that are not admitted, which another metric counts."""


def test_every_code_that_the_server_ends_calls_with_has_series_from_the_start() -> None:
    rpc = Path(interceptors.__file__).parents[1]
    sources = "".join(path.read_text(encoding="utf-8") for path in rpc.rglob("*.py"))
    named = set(re.findall(r"grpc\.StatusCode\.([A-Z_]+)", sources))
    assert named - DENIED == set(interceptors.CODES)
