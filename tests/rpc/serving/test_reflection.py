import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from tests.rpc.scripted import MODULE_SERVICE, Serve, Serving, answer

VERSIONS = ["v1", "v1alpha"]


@pytest.fixture
def serving(serve: Serve) -> Serving:
    return serve(answer)


def buf_program() -> str:
    beside_python = Path(sys.executable).parent / "buf"
    found = shutil.which("buf") or (str(beside_python) if beside_python.exists() else None)
    if found is None:
        pytest.skip("buf is not installed (PyPI: buf-bin)")
    return found


def buf_curl(serving: Serving, version: str, method: str, *more: str) -> str:
    options = [
        "--http2-prior-knowledge",
        "--protocol",
        "grpc",
        f"--reflect-protocol=grpc-{version}",
    ]
    command = [buf_program(), "curl", *options, *more, f"http://{serving.address}{method}"]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.mark.parametrize("version", VERSIONS)
def test_buf_curl_lists_the_services(serving: Serving, version: str) -> None:
    listed = buf_curl(serving, version, "", "--list-methods").split()
    assert f"{MODULE_SERVICE}/GetModule" in listed
    assert "grpc.health.v1.Health/Check" in listed


@pytest.mark.parametrize("version", VERSIONS)
def test_buf_curl_calls_by_reflection_alone(serving: Serving, version: str) -> None:
    said = buf_curl(serving, version, f"/{MODULE_SERVICE}/GetModule", "--data", "{}")
    assert json.loads(said) == {"detail": "fine"}


def test_the_python_reflection_client_finds_a_message(serving: Serving) -> None:
    database = ProtoReflectionDescriptorDatabase(serving.channel)
    assert MODULE_SERVICE in database.get_services()
    assert "symbolon/v1/module_service.proto" in (
        database.FindFileContainingSymbol("symbolon.v1.GetModuleRequest").name
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_an_open_reflection_stream_does_not_delay_the_stop(serving: Serving, version: str) -> None:
    client_is_done = threading.Event()

    def requests() -> Iterator[reflection_pb2.ServerReflectionRequest]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        client_is_done.wait(60)

    call = serving.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )(requests())
    assert next(call).list_services_response.service
    stopping = threading.Thread(target=serving.server.stop, args=(60.0,))
    stopping.start()
    stopping.join(20)
    assert not stopping.is_alive()
    client_is_done.set()
    with pytest.raises(grpc.RpcError):
        next(call)


def test_a_client_that_leaves_while_it_is_answered_does_no_harm(serving: Serving) -> None:
    ask = serving.channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    for number in range(200):
        call = ask(iter([request] * 3))
        if number % 2:
            next(call)
        call.cancel()
    answers = list(ask(iter([request] * 3), timeout=30))
    assert len(answers) == 3
