"""Requests that the gateway refuses, and its messages."""

import asyncio
import http.client
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message

from symbolon._module_ids import DEBUG_ID_FORM
from symbolon_server.gateway.reading import read_body
from symbolon_server.gateway.refusals import Refused
from tests.gateway.asking import ORCHARD, V4, V5, ask, get, post
from tests.gateway.conftest import MAX_BODY_BYTES


def job(**changes: Any) -> dict[str, Any]:
    return {"memoryMap": [ORCHARD], "stacks": [[[0, 1]]]} | changes


@pytest.mark.parametrize(
    ("document", "title"),
    [
        (b"{", "Payload is not valid JSON"),
        (b"\xff\xfe\x00", "Payload is not valid JSON"),
        (b"[" * 50_000, "Payload is not valid JSON"),
        (b"9" * 5_000, "Payload is not valid JSON"),
        ([], "payload is not a JSON object"),
        ({"jobs": 7}, "jobs must be a list"),
        ({"jobs": [job(), 7]}, "job 1 is invalid"),
        ({"stacks": []}, "job 0 is invalid: no memoryMap specified"),
        ({"memoryMap": []}, "job 0 is invalid: no stacks specified"),
        (job(memoryMap=7), "job 0 has invalid modules: modules must be a list"),
        (
            job(memoryMap=[["xul.pdb"]]),
            "job 0 has invalid modules: module index 0 does not have a debug_filename and debug_id",
        ),
        (
            job(memoryMap=[["xul.pdb", "no hex"]]),
            (
                "job 0 has invalid modules: module index 0 has an invalid debug_id: "
                f"must be {DEBUG_ID_FORM}"
            ),
        ),
        (
            job(memoryMap=[[7, "ABC"]]),
            "job 0 has invalid modules: module index 0 has an invalid debug_filename",
        ),
        (job(stacks="abc"), "job 0 has invalid stacks: stacks must be a list of lists"),
        (job(stacks=[]), "job 0 has invalid stacks: no stacks specified"),
        (job(stacks=["abc"]), "job 0 has invalid stacks: stack 0 is not a list"),
        (
            job(stacks=[[[0, 1], [0]]]),
            "job 0 has invalid stacks: stack 0 frame 1 is not a list of two items",
        ),
        (
            job(stacks=[[["0", 1]]]),
            "job 0 has invalid stacks: stack 0 frame 0 has an invalid module_index",
        ),
        (
            job(stacks=[[[1, 1]]]),
            "job 0 has invalid stacks: stack 0 frame 0 has a module_index that isn't in modules",
        ),
        (
            job(stacks=[[[0, -2]]]),
            "job 0 has invalid stacks: stack 0 frame 0 has an invalid module_offset",
        ),
    ],
)
def test_strict_refuses_invalid_input_with_the_messages_of_eliot(
    gateway: str, document: object, title: str
) -> None:
    answer = post(gateway, f"{V5}?strict=1", document)
    assert (answer.status, answer.content) == (400, {"title": title})


@pytest.mark.parametrize(
    ("document", "title"),
    [
        (b"{", "Payload is not valid JSON"),
        ([], "payload is not a JSON object"),
        ({"jobs": [job(), 7]}, "job 1 is invalid"),
        ({"memoryMap": []}, "job 0 is invalid: no stacks specified"),
        (job(memoryMap=7), "job 0 has invalid modules: modules must be a list"),
        ({"jobs": [job(), job(stacks=[])]}, "job 1 has invalid stacks: no stacks specified"),
    ],
)
def test_a_body_that_is_not_a_report_is_always_refused(
    gateway: str, document: object, title: str
) -> None:
    for path in (V5, f"{V5}?strict=0"):
        answer = post(gateway, path, document)
        assert (answer.status, answer.content) == (400, {"title": title})


def test_version_4_is_one_job(gateway: str) -> None:
    answer = post(gateway, V4, {"jobs": [job()]})
    assert (answer.status, answer.title) == (400, "job 0 is invalid: no stacks specified")


@pytest.mark.parametrize("name", ["dir/three.so", "x" * 300])
def test_strict_names_the_job_and_the_module(gateway: str, name: str) -> None:
    second = job(memoryMap=[ORCHARD, [name, ORCHARD[1]]])
    for path, document in ((V5, {"jobs": [job(), second]}), (V4, {"version": 4, **second})):
        answer = post(gateway, f"{path}?strict", document)
        number = 1 if path == V5 else 0
        where = f"job {number} has invalid modules: module index 1 has an invalid debug_filename"
        assert (answer.status, answer.content) == (400, {"title": where})


def test_a_body_that_announces_too_many_bytes_is_not_read(gateway: str) -> None:
    connection = http.client.HTTPConnection(gateway, timeout=20)
    connection.putrequest("POST", V5)
    connection.putheader("Content-Length", str(MAX_BODY_BYTES + 1))
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 413
    connection.close()


def test_a_body_that_grows_too_large_is_refused(gateway: str) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(2):
            yield b" " * (MAX_BODY_BYTES // 2 + 1)

    answer = ask(gateway, "POST", V5, pieces())
    assert (answer.status, answer.title) == (413, f"the body is larger than {MAX_BODY_BYTES} bytes")


def test_a_compressed_body_is_refused(gateway: str) -> None:
    assert post(gateway, V5, job(), Content_Encoding="gzip").status == 415


def test_a_body_that_does_not_arrive_times_out() -> None:
    async def never() -> Message:
        await asyncio.get_running_loop().create_future()
        raise AssertionError("the body arrived")

    request = Request({"type": "http", "method": "POST", "headers": []}, never)
    with pytest.raises(Refused) as refused:
        asyncio.run(read_body(request, MAX_BODY_BYTES, seconds=0.01))
    assert refused.value.status == 408


def test_unknown_paths_and_methods_are_refused_as_json(gateway: str) -> None:
    assert get(gateway, "/nowhere").content == {"title": "404 Not Found"}
    answer = get(gateway, V5)
    assert (answer.status, answer.headers["allow"]) == (405, "POST, OPTIONS")
