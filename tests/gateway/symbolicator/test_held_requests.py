"""Requests that wait for pending modules."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from symbolon import Client
from symbolon.v1 import explanation_pb2, module_pb2, module_service_pb2, symbolication_service_pb2
from symbolon_server.gateway.reading import BodyLimits, Deadline
from symbolon_server.gateway.refusals import Refused
from symbolon_server.gateway.symbolicating import Caller, Symbolicating
from symbolon_server.gateway.symbolicator.answering import GIVE_UP_SECONDS, StackAnswerer
from symbolon_server.gateway.symbolicator.held_requests import HELD_SECONDS, HeldRequests
from tests.client.canned import CannedServer, start_canned_server
from tests.client.naming import answer_by_name
from tests.fixtures.redis_fixtures import FakeClock

LIMITS = BodyLimits(1_000, 1_000)
HELD = module_service_pb2.HeldModule(architecture="x86_64", has_debug_info=True)
ROUND = explanation_pb2.SupplierRound(
    attempts=[
        explanation_pb2.SupplierAttempt(
            supplier="a", path="b", outcome=explanation_pb2.SUPPLIER_OUTCOME_FOUND
        )
    ]
)
FRAMES = [{"instruction_addr": 4, "addr_mode": "rel:0"}]


def body_for(name: str) -> bytes:
    modules = [{"type": "elf", "debug_file": name, "debug_id": "0" * 31 + "1"}]
    return json.dumps({"stacktraces": [{"frames": FRAMES}], "modules": modules}).encode()


def answer_all(request: Any, context: grpc.ServicerContext) -> Any:
    if isinstance(request, module_service_pb2.ExplainFrameRequest):
        return module_service_pb2.ExplainFrameResponse(held=HELD, suppliers=ROUND)
    answer: symbolication_service_pb2.SymbolicateResponse = answer_by_name(request, context)
    for result in answer.modules:
        if result.outcome == module_pb2.MODULE_OUTCOME_PENDING:
            result.retry_after.FromMilliseconds(2_500)
    return answer


@pytest.fixture
def canned() -> Iterator[CannedServer]:
    with start_canned_server() as canned:
        canned.answers = [answer_all]
        yield canned


def kinds_of(canned: CannedServer) -> list[str]:
    return [type(request).__name__ for request in canned.requests]


class Asking:
    """Asks one answerer."""

    def __init__(self, client: Client, held: HeldRequests) -> None:
        self._answerer = StackAnswerer(Symbolicating(lambda: client), LIMITS, held)

    def post(self, name: str, timeout: str | None = "1") -> Any:
        return self.send(body_for(name), timeout)

    def send(self, body: bytes, timeout: str | None) -> Any:
        return self._run(lambda caller: self._answerer.read(timeout, body, caller))

    def poll(self, held_id: str, timeout: str | None = "1") -> Any:
        return self._run(lambda caller: self._answerer.read_poll(held_id, timeout, b"", caller))

    @staticmethod
    def _run(read: Callable[[Caller], Callable[[], bytes]]) -> Any:
        return json.loads(read(Caller(Deadline.after(20.0), None))())


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(0.0)


@pytest.fixture
def asking(canned: CannedServer, clock: FakeClock) -> Iterator[Asking]:
    with Client(canned.target) as client:
        yield Asking(client, HeldRequests(clock=clock))


def test_a_pending_request_keeps_its_id(asking: Asking) -> None:
    first = asking.post("pending.so")
    assert first == {"status": "pending", "request_id": first["request_id"], "retry_after": 3}
    assert asking.poll(first["request_id"]) == first


def test_the_server_waits_no_longer_than_the_timeout(asking: Asking, canned: CannedServer) -> None:
    held_id = asking.post("pending.so", timeout="0")["request_id"]
    asking.poll(held_id, timeout="2")
    asking.post("pending.so", timeout=str(10**19))
    waits = [request.max_wait.ToNanoseconds() / 1e9 for request in canned.requests]
    assert waits[:2] == [0, 2]
    assert waits[2] <= 20


def test_without_a_timeout_the_answer_is_complete(asking: Asking, canned: CannedServer) -> None:
    answer = asking.post("pending.so", timeout=None)
    assert not canned.requests[0].HasField("max_wait")
    assert answer["stacktraces"][0]["frames"][0]["status"] == "missing"
    assert answer["modules"][0]["debug_status"] == "timeout"
    held_id = asking.post("pending.so")["request_id"]
    assert asking.poll(held_id, timeout=None)["status"] == "completed"


def test_a_request_is_completed_at_last_though_modules_are_pending(
    asking: Asking, clock: FakeClock
) -> None:
    held_id = asking.post("pending.so")["request_id"]
    clock.now = GIVE_UP_SECONDS
    assert asking.poll(held_id)["status"] == "pending"
    clock.now = GIVE_UP_SECONDS + 1
    answer = asking.poll(held_id)
    assert (answer["status"], answer["modules"][0]["debug_status"]) == ("completed", "timeout")
    clock.now = HELD_SECONDS + 1
    with pytest.raises(Refused, match="send the request again"):
        asking.poll(held_id)


def test_other_outcomes_are_complete_at_once(asking: Asking) -> None:
    statuses = {
        "found.so": ("found", "symbolicated"),
        "empty.so": ("found", "missing_symbol"),
        "missing.so": ("missing", "missing"),
        "unavailable.so": ("fetching_failed", "missing"),
        "malformed.so": ("malformed", "malformed"),
    }
    for name, (of_module, of_frame) in statuses.items():
        answer = asking.post(name)
        assert answer["modules"][0]["debug_status"] == of_module
        assert answer["stacktraces"][0]["frames"][0]["status"] == of_frame


def test_facts_are_remembered(asking: Asking, canned: CannedServer) -> None:
    for _ in range(3):
        answer = asking.post("found.so")
        assert (answer["modules"][0]["arch"], answer["modules"][0]["features"]) == (
            "x86_64",
            {
                "has_debug_info": True,
                "has_unwind_info": False,
                "has_symbols": False,
                "has_sources": False,
            },
        )
    assert sorted(kinds_of(canned)) == ["ExplainFrameRequest", *["SymbolicateRequest"] * 3]


def test_candidates_come_with_the_facts(asking: Asking, canned: CannedServer) -> None:
    names = ["found.so", "missing.so", "unused.so"]
    modules = [
        {"type": "elf", "debug_file": name, "debug_id": "C3D8E3C7B6594DF1DFCA907993B477250"}
        for name in names
    ]
    frames = [{**FRAMES[0], "addr_mode": f"rel:{number}"} for number in (0, 1)]
    document: dict[str, Any] = {"stacktraces": [{"frames": frames}], "modules": modules}
    plain = asking.send(json.dumps(document).encode(), None)
    assert kinds_of(canned).count("ExplainFrameRequest") == 1
    document["options"] = {"dif_candidates": True}
    for _ in range(2):
        told = asking.send(json.dumps(document).encode(), None)
        each = [module.pop("candidates", None) is not None for module in told["modules"]]
        assert each == [True, True, False]
        assert told["modules"][0] == plain["modules"][0]
    assert kinds_of(canned).count("ExplainFrameRequest") == 2


def test_nobody_else_gets_a_held_request(canned: CannedServer) -> None:
    held = HeldRequests()
    held_id = held.hold(body_for("pending.so"), "one")
    with Client(canned.target) as client:
        answerer = StackAnswerer(Symbolicating(lambda: client), LIMITS, held)

        def poll(request_id: str, token: str | None) -> None:
            answerer.read_poll(request_id, None, b"", Caller(Deadline.after(9.0), token))

        poll(held_id, "one")
        for request_id, token in ((held_id, None), (held_id, "another"), ("unknown", "one")):
            with pytest.raises(Refused) as caught:
                poll(request_id, token)
            assert caught.value.status == 404


@pytest.mark.promise("Requests that wait for modules take a bounded memory", group="limits")
def test_held_requests_are_bounded_in_bytes_and_age(clock: FakeClock) -> None:
    held = HeldRequests(max_bytes=10_000, clock=clock)
    ids = [held.hold(bytes(1_000), None) for _ in range(6)]
    assert [held.find(one, None) is not None for one in ids] == [False, False, *[True] * 4]
    clock.now = HELD_SECONDS
    late = held.hold(b"", None)
    clock.now = HELD_SECONDS + 0.5
    assert [held.find(one, None) for one in ids] == [None] * 6
    assert held.find(late, None) is not None
    assert held.find(held.hold(bytes(10_000), None), None) is None
    assert held.find(late, None) is None
    assert len(set(ids)) == 6
