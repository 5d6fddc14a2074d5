import json
import logging
from typing import Any

import grpc
import pytest

from symbolon.v1.module_service_pb2 import GetModuleRequest, GetModuleResponse
from symbolon_server.rpc.calls.status import (
    REQUEST_ID_KEY,
    FieldViolation,
    find_request_id,
    refuse_invalid,
)
from symbolon_server.telemetry.logs import JsonFormatter
from tests.rpc.scripted import GetModule, Serve, answer


def refuse(_request: GetModuleRequest, context: grpc.ServicerContext) -> GetModuleResponse:
    refuse_invalid(context, [FieldViolation("a", "is wrong")])


def fail(_request: GetModuleRequest, _context: grpc.ServicerContext) -> GetModuleResponse:
    raise RuntimeError("inside")


def ids_of(error: grpc.RpcError) -> list[Any]:
    return [entry.value for entry in error.trailing_metadata() if entry.key == REQUEST_ID_KEY]


@pytest.mark.parametrize("get_module", [refuse, fail], ids=["refused", "defect"])
@pytest.mark.parametrize("log_calls", [False, True])
def test_a_failed_call_returns_the_request_id_of_its_caller(
    serve: Serve, get_module: GetModule, log_calls: bool
) -> None:
    modules = serve(get_module, logs_calls=log_calls).modules
    with pytest.raises(grpc.RpcError) as caught:
        modules.GetModule(GetModuleRequest(), metadata=((REQUEST_ID_KEY, "crash/17:a"),))
    assert ids_of(caught.value) == ["crash/17:a"]


@pytest.mark.parametrize("given", ["", "two words", "x" * 129, 'quote"', "a\\b"])
def test_an_invalid_request_id_is_replaced_by_a_new_one(serve: Serve, given: str) -> None:
    modules = serve(refuse).modules
    with pytest.raises(grpc.RpcError) as caught:
        modules.GetModule(GetModuleRequest(), metadata=((REQUEST_ID_KEY, given),))
    (told,) = ids_of(caught.value)
    assert told != given
    assert find_request_id([(REQUEST_ID_KEY, told)]) == told


@pytest.mark.parametrize(
    ("get_module", "code"),
    [(answer, "OK"), (refuse, "INVALID_ARGUMENT"), (fail, "INTERNAL")],
    ids=["answered", "refused", "defect"],
)
def test_each_call_is_one_line_of_the_log_if_enabled(
    serve: Serve, caplog: pytest.LogCaptureFixture, get_module: GetModule, code: str
) -> None:
    serving = serve(get_module, logs_calls=True)
    with caplog.at_level(logging.INFO):
        call = serving.modules.GetModule.future(
            GetModuleRequest(), metadata=((REQUEST_ID_KEY, "mine"),)
        )
        call.exception(30)
        serving.server.stop(30)
    lines = [json.loads(JsonFormatter().format(record)) for record in caplog.records]
    (line,) = [line for line in lines if line["event"] == "call_ended"]
    assert (line["method"], line["code"], line["request_id"]) == ("GetModule", code, "mine")
    assert 0 <= line["seconds"] < 30


def test_a_failed_call_has_one_id_in_all_places(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    serving = serve(fail, logs_calls=True)
    with caplog.at_level(logging.INFO), pytest.raises(grpc.RpcError) as caught:
        serving.modules.GetModule(GetModuleRequest())
    serving.server.stop(30)
    told = {json.loads(JsonFormatter().format(record))["request_id"] for record in caplog.records}
    assert told == set(ids_of(caught.value))
    assert len(caplog.records) == 2
    assert told.pop() in str(caught.value.details())


def test_calls_are_not_logged_by_default(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    serving = serve(answer)
    with caplog.at_level(logging.DEBUG):
        serving.modules.GetModule(GetModuleRequest())
        serving.server.stop(30)
    assert [record.getMessage() for record in caplog.records] == []
