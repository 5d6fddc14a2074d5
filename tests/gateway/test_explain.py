"""Why a frame is answered as it is, over HTTP."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbolon import Client, DeadlineError, InvalidReportError
from symbolon._module_ids import DEBUG_ID_FORM
from symbolon.v1 import module_service_pb2
from symbolon_server.gateway.explaining import MOST_RANGES_AROUND, read_frame
from symbolon_server.gateway.reading import Deadline
from tests.client.canned import CannedServer, start_canned_server
from tests.gateway.asking import EXPLAIN, ORCHARD, V5, ask, get, post
from tests.gateway.conftest import MAX_BODY_BYTES
from tests.gateway.in_process import LIMITS, InProcess

FRAME = {"module": ORCHARD, "module_offset": "0x1210"}
GRADE = "orchard::grade(orchard::Crate const&)"
LARGE = 2**64 - 1


@pytest.fixture
def known(gateway: str) -> str:
    """The address of a gateway whose server knows the sample's module."""
    report = {"memoryMap": [ORCHARD], "stacks": [[[0, 0x1210]]]}
    assert post(gateway, V5, report).content["results"][0]["stacks"][0][0]["function"] == GRADE
    return gateway


def test_the_answer_has_what_the_command_explains_with_offsets_in_hex(known: str) -> None:
    answer = post(known, EXPLAIN, FRAME)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    found = answer.content
    assert found["frame"]["function"] == GRADE
    assert (found["frame"]["module_offset"], found["frame"]["function_size"]) == ("0x1210", "0x46")
    assert found["module"]["outcome"] == "found"
    assert found["public_symbol_verdict"] == "function_covers"
    assert found["deciding_symbol"] == {
        "kind": "function",
        "name": GRADE,
        "start": "0x1200",
        "end": "0x1246",
        "linkage_name": None,
    }
    assert [part["is_hit"] for part in found["ranges"]].count(True) == 1
    assert {tier["tier"] for tier in found["tiers"]} >= {"memory", "store", "spool"}


def test_a_return_address_is_looked_up_one_byte_before(known: str) -> None:
    found = post(known, EXPLAIN, FRAME | {"is_return_address": True}).content
    assert found["looked_up_offset"] == "0x120f"


def test_more_ranges_are_returned_on_request(known: str) -> None:
    few = post(known, EXPLAIN, FRAME | {"ranges_around": 1}).content["ranges"]
    many = post(known, EXPLAIN, FRAME | {"ranges_around": MOST_RANGES_AROUND}).content["ranges"]
    assert len(few) == 3
    assert len(many) > len(few)


def test_a_module_that_nobody_asked_for_is_pending_and_its_ingest_does_not_start(
    gateway: str,
) -> None:
    unknown = FRAME | {"module": ["unasked.so", "0123456789ABCDEF0123456789ABCDEF1"]}
    for _ in range(2):
        found = post(gateway, EXPLAIN, unknown).content
        assert (found["module"]["outcome"], found["held"]) == ("pending", None)


@pytest.fixture(scope="module")
def canned() -> Iterator[CannedServer]:
    with start_canned_server() as canned:
        yield canned


@pytest.fixture
def alone(canned: CannedServer) -> Iterator[InProcess]:
    """A gateway in front of a server that notes what it is asked."""
    canned.requests.clear()
    canned.answers = [lambda request, _context: echo(request)]
    with Client(canned.target) as client, ThreadPoolExecutor(1) as threads:
        yield InProcess(client, threads)


def echo(request: Any) -> module_service_pb2.ExplainFrameResponse:
    return module_service_pb2.ExplainFrameResponse(looked_up_offset=request.module_offset)


@pytest.mark.parametrize("offset", [LARGE, hex(LARGE), "0XFFFFFFFFFFFFFFFF"])
def test_every_offset_is_exact(alone: InProcess, offset: int | str) -> None:
    answer = alone.post(EXPLAIN, json.dumps(FRAME | {"module_offset": offset}).encode())
    assert answer.content["looked_up_offset"] == hex(LARGE)


def test_a_module_is_written_as_in_a_memory_map(alone: InProcess, canned: CannedServer) -> None:
    module = ["C:\\out\\mill.pdb", "", "C:\\out\\mill.exe", "19B66EB34000"]
    assert alone.post(EXPLAIN, json.dumps(FRAME | {"module": module}).encode()).status == 200
    (sent,) = (request.module for request in canned.requests)
    assert [sent.debug_file, sent.debug_id] == ["mill.pdb", ""]
    assert [sent.code_file, sent.code_id] == module[2:]


@pytest.mark.parametrize(
    ("document", "title"),
    [
        (b"{", "Payload is not valid JSON"),
        (b"[" * 10_000, "Payload is not valid JSON"),
        ([], "payload is not a JSON object"),
        ({}, "module must be a list as in a memoryMap: debug file, debug id"),
        (FRAME | {"module": "orchard"}, "module must be a list as in a memoryMap: debug file"),
        (FRAME | {"module": ["orchard"]}, "module: it does not have a debug_filename and debug_id"),
        (FRAME | {"module": ["a\n", "AB0"]}, "module: the debug file: it has control characters"),
        (FRAME | {"module": ["a", "no hex"]}, f"module: the debug id: must be {DEBUG_ID_FORM}"),
        (FRAME | {"module": ["a", ""]}, "module: it has no file or no id"),
        *(
            (FRAME | {"module_offset": offset}, "module_offset must be an integer from 0 to 2^64")
            for offset in (None, -1, 2**64, 1.5, True, "12", "0x", "0x1g", "0x" + "1" * 17)
        ),
        (FRAME | {"is_return_address": 1}, "is_return_address must be true or false"),
        *(
            (FRAME | {"ranges_around": count}, "ranges_around must be an integer from 0 to 100")
            for count in (-1, 101, True, "3")
        ),
    ],
)
def test_what_is_no_frame_is_refused_before_a_call(
    alone: InProcess, canned: CannedServer, document: object, title: str
) -> None:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    answer = alone.post(EXPLAIN, body)
    assert answer.status == 400
    assert answer.title.startswith(title)
    assert canned.requests == []


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "module": ANYTHING | st.lists(st.text(), min_size=2, max_size=4),
            "module_offset": ANYTHING | st.integers(0, LARGE).map(hex),
            "is_return_address": ANYTHING,
            "ranges_around": ANYTHING,
        },
    )
    | ANYTHING
)
def test_anything_is_a_frame_or_refused_in_words(document: object) -> None:
    try:
        found = read_frame(json.dumps(document).encode(), LIMITS, Deadline.after(60.0))
    except InvalidReportError:
        pass
    else:
        assert 0 <= found.module_offset <= LARGE
        assert 0 <= found.ranges_around <= MOST_RANGES_AROUND
        assert found.module.debug_file or found.module.code_file


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, 400),
        (grpc.StatusCode.PERMISSION_DENIED, 403),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 413),
        (grpc.StatusCode.INTERNAL, 502),
    ],
)
def test_an_error_of_the_server_gets_the_status_that_a_report_gets(
    alone: InProcess, canned: CannedServer, code: grpc.StatusCode, status: int
) -> None:
    canned.answers = [lambda _request, context: context.abort(code, "no")]
    explained = alone.post(EXPLAIN, json.dumps(FRAME).encode())
    report = json.dumps({"memoryMap": [ORCHARD], "stacks": [[[0, 1]]]}).encode()
    assert explained.status == alone.post(V5, report).status == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://attacker.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "attacker.example"}, 421),
        ({"Content-Encoding": "gzip"}, 415),
    ],
)
def test_hosts_origins_and_encodings_are_checked_as_everywhere(
    known: str, headers: dict[str, str], status: int
) -> None:
    assert post(known, EXPLAIN, FRAME, **headers).status == status


def test_nothing_is_read_after_the_deadline() -> None:
    with pytest.raises(DeadlineError):
        read_frame(json.dumps(FRAME).encode(), LIMITS, Deadline.after(-1.0))


def test_the_size_and_the_method_are_checked_as_everywhere(known: str) -> None:
    assert post(known, EXPLAIN, b" " * (MAX_BODY_BYTES + 1)).status == 413
    assert get(known, EXPLAIN).status == 405
    assert ask(known, "OPTIONS", EXPLAIN, None).headers["allow"] == "POST, OPTIONS"
