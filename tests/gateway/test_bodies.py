"""The limits of the API apply to a whole body, and the deadline to every step."""

import asyncio
import json
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import grpc
import pytest

from symbolon import Client, DeadlineError, InvalidReportError
from symbolon.v1.diagnostics_pb2 import Diagnostics, ModuleDiagnostics
from symbolon.v1.module_pb2 import MODULE_OUTCOME_FOUND, ModuleResult
from symbolon.v1.stack_pb2 import SymbolicatedFrame, SymbolicatedStack
from symbolon.v1.symbolication_service_pb2 import SymbolicateResponse
from symbolon_server.app.programs.gateway_process import PATIENCE_SECONDS
from symbolon_server.gateway.reading import BodyLimits, Deadline, read_request
from symbolon_server.gateway.symbolicating import Caller, Question, Symbolicating
from symbolon_server.gateway.web_app import Gateway, GatewayOptions, Threads
from tests.app.conftest import SAMPLE, StartProgram
from tests.client.canned import CannedServer, start_canned_server
from tests.gateway.asking import ORCHARD, V4, V5, await_http, get, post
from tests.gateway.in_process import Asgi

MAX_MODULES, MAX_FRAMES = 6, 20
LIMITS = BodyLimits(MAX_MODULES, MAX_FRAMES)
FAR = Deadline.after(3600.0)


def job(modules: int = 1, stacks: int = 1, frames: int = 1) -> dict[str, Any]:
    return {"memoryMap": [ORCHARD] * modules, "stacks": [[[0, 4272]] * frames] * stacks}


@pytest.fixture
def strict_gateway(start: StartProgram) -> str:
    program = start(
        "serve",
        *("--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"),
        suppliers=str(SAMPLE / "symbols"),
        max_modules=str(MAX_MODULES),
        max_frames=str(MAX_FRAMES),
    )
    return await_http(program)


WITHIN = [
    job(MAX_MODULES, 1, MAX_FRAMES),
    job(1, MAX_FRAMES, 1),
    {"jobs": [job(1, 1, 3)] * MAX_MODULES},
]
BEYOND = [
    ("memoryMap", job(MAX_MODULES + 1)),
    ("memoryMap", {"jobs": [job(MAX_MODULES), job()]}),
    ("stacks", job(1, MAX_FRAMES + 1, 0)),
    ("stacks", {"jobs": [job(1, MAX_FRAMES, 0), job()]}),
    ("frames", job(1, 1, MAX_FRAMES + 1)),
    ("frames", {"jobs": [job(1, 1, MAX_FRAMES), job()]}),
    ("jobs", {"jobs": [job(0, 1, 0)] * (MAX_MODULES + 1)}),
]


@pytest.mark.promise(
    "The limits and the deadline of a call hold for a whole HTTP body", group="limits"
)
def test_a_body_has_the_limits_of_one_call_however_many_jobs_are_in_it(strict_gateway: str) -> None:
    for document in WITHIN:
        assert post(strict_gateway, V5, document).status == 200
    for name, document in BEYOND:
        answer = post(strict_gateway, V5, document)
        assert answer.status == 400
        assert answer.title.startswith(f"{name}: ")
        assert answer.title.endswith(f" in all, the limit is {limit_of(name)}")
    assert post(strict_gateway, V4, BEYOND[0][1]).status == 400


def limit_of(name: str) -> int:
    return MAX_FRAMES if name in {"stacks", "frames"} else MAX_MODULES


@pytest.mark.promise("The limits and the deadline of a call hold for a whole HTTP body")
@pytest.mark.parametrize("part", ["[],", "{},", "0,", '"",', "[[[[[[[[[],"])
def test_a_body_of_more_parts_than_any_report_is_refused_before_it_is_parsed(part: str) -> None:
    many = part * (LIMITS.max_parts + 1)
    with pytest.raises(InvalidReportError, match=r"^Payload has \d+ parts, more than the \d+ of"):
        read_request(b"this is no JSON: " + many.encode(), 5, LIMITS, FAR)


@pytest.mark.parametrize("document", [document for _, document in BEYOND])
def test_an_exceeded_limit_is_named(document: dict[str, Any]) -> None:
    """The check of parts, which names no limit, is only for bodies too costly to parse."""
    with pytest.raises(InvalidReportError, match=" in all, the limit is "):
        read_request(json.dumps(document).encode(), 5, LIMITS, FAR)


def test_nothing_is_done_for_a_request_whose_deadline_has_passed() -> None:
    over = Deadline.after(-1.0)
    with pytest.raises(DeadlineError):
        read_request(b"{}", 5, LIMITS, over)
    request = read_request(json.dumps(job()).encode(), 5, LIMITS, FAR)
    with Client("127.0.0.1:1") as client, pytest.raises(DeadlineError):
        Symbolicating(lambda: client).answer(Question(request, Caller(over, None)))


@pytest.mark.promise("The limits and the deadline of a call hold for a whole HTTP body")
def test_many_jobs_of_a_server_that_hangs_are_504_at_the_deadline(start: StartProgram) -> None:
    program = start(
        "serve",
        *("--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"),
        suppliers=str(SAMPLE / "symbols"),
        max_wait_seconds="0",
    )
    address = await_http(program)
    assert post(address, V5, job()).status == 200
    program.process.send_signal(signal.SIGSTOP)
    try:
        begin = time.monotonic()
        answer = post(address, V5, {"jobs": [job()] * 40})
        seconds = time.monotonic() - begin
        assert answer.status == 504
        assert answer.title == f"the answer took longer than {PATIENCE_SECONDS:g} s"
        assert PATIENCE_SECONDS <= seconds < 2 * PATIENCE_SECONDS
        assert get(address, "/__lbheartbeat__").status == 200
    finally:
        program.process.send_signal(signal.SIGCONT)


@pytest.fixture
def canned() -> Iterator[CannedServer]:
    with start_canned_server() as canned:
        yield canned


@pytest.mark.promise("The limits and the deadline of a call hold for a whole HTTP body")
def test_the_calls_for_debug_keep_the_deadline(canned: CannedServer) -> None:
    """Eliot's debug takes one call per fetched module."""
    fetched = 3
    response = SymbolicateResponse(
        stacks=[SymbolicatedStack(frames=[SymbolicatedFrame()] * fetched)],
        modules=[ModuleResult(outcome=MODULE_OUTCOME_FOUND)] * fetched,
        diagnostics=Diagnostics(modules=[ModuleDiagnostics(is_ingest_requested=True)] * fetched),
    )
    canned.answers = [lambda _request, _context: response, hang]
    modules = [[f"{number}.pdb", "A" * 33] for number in range(fetched)]
    document = {"memoryMap": modules, "stacks": [[[index, 7] for index in range(fetched)]]}
    request = read_request(json.dumps(document).encode(), 5, LIMITS, FAR)
    deadline = Deadline.after(1.0)
    with Client(canned.target) as client, pytest.raises(DeadlineError):
        Symbolicating(lambda: client).answer(
            Question(request, Caller(deadline, None), with_debug=True)
        )
    assert len(canned.requests) == 2
    assert max(canned.seconds_allowed) <= deadline.seconds


def hang(_request: object, context: grpc.ServicerContext) -> None:
    """Answer only after the caller is gone."""
    is_over = threading.Event()
    if context.add_callback(is_over.set):
        is_over.wait()


@pytest.fixture
def busy() -> Iterator[ThreadPoolExecutor]:
    """One thread that stays busy until the end of the test."""
    ended = threading.Event()
    with ThreadPoolExecutor(1) as executor, ExitStack() as stack:
        stack.callback(ended.set)
        executor.submit(ended.wait)
        yield executor


@pytest.fixture
def free() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.mark.promise("The limits and the deadline of a call hold for a whole HTTP body")
@pytest.mark.parametrize("step", ["reading", "calling"])
def test_a_request_that_waits_for_a_thread_is_504_at_its_deadline(
    step: str, busy: ThreadPoolExecutor, free: ThreadPoolExecutor
) -> None:
    readers, callers = (busy, free) if step == "reading" else (free, busy)
    asgi = Asgi(json.dumps(job()).encode())
    scope = {
        "type": "http",
        "method": "POST",
        "path": V5,
        "query_string": b"",
        "http_version": "1.1",
        "headers": [(b"host", b"localhost")],
    }
    with Client("127.0.0.1:1") as client:
        options = GatewayOptions(1000, LIMITS, 0.2, (), (), "0", None)
        gateway = Gateway(Symbolicating(lambda: client), options, Threads(readers, callers, free))

        async def answer() -> None:
            await gateway.web_app()(scope, asgi.receive, asgi.send)

        asyncio.run(answer())
    assert asgi.status == 504
