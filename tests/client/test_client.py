"""The client against a real gRPC server."""

import asyncio
import socket
from collections.abc import Callable
from threading import Event, Thread
from typing import Any, NoReturn

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import (  # type: ignore[import-untyped]  # the package has no py.typed
    error_details_pb2,
    status_pb2,
)

import symbolon
from symbolon import Client, Frame, FrameOutcome, Module, ModuleOutcome, Report
from symbolon.v1 import (
    module_pb2,
    module_service_pb2,
    stack_pb2,
    store_service_pb2,
    symbolication_service_pb2,
)
from tests.client.blocking import BlockingClient
from tests.client.canned import Answer, CannedServer
from tests.client.conftest import AT_ONCE, Connect

MODULES = [Module("orchard", "AB0")]
STACKS = [[Frame(0, 16)]]
REPORT = Report(MODULES, STACKS)


def abort_with(code: grpc.StatusCode, *details: Message) -> Answer:
    """Return an answer that aborts the call with a status and its details."""

    def answer(_: Any, context: grpc.ServicerContext) -> NoReturn:
        status = status_pb2.Status(code=code.value[0], message="the reason")
        for detail in details:
            packed = AnyMessage()
            packed.Pack(detail)
            status.details.append(packed)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(code, "the reason")

    return answer


def answer_with(response: Message) -> Answer:
    return lambda _request, _context: response


def test_a_call_is_answered_with_typed_results(canned: CannedServer, client: Client) -> None:
    frame = stack_pb2.SymbolicatedFrame(
        module="orchard",
        module_offset=16,
        function="pick()",
        outcome=stack_pb2.FRAME_OUTCOME_SYMBOLICATED,
    )
    canned.answers = [
        answer_with(
            symbolication_service_pb2.SymbolicateResponse(
                stacks=[stack_pb2.SymbolicatedStack(frames=[frame])],
                modules=[module_pb2.ModuleResult(outcome=module_pb2.MODULE_OUTCOME_FOUND)],
            )
        )
    ]
    answer = client.symbolicate(MODULES, STACKS, max_wait=0)
    assert answer.stacks[0][0].function == "pick()"
    assert answer.stacks[0][0].outcome is FrameOutcome.SYMBOLICATED
    assert answer.modules[0].outcome is ModuleOutcome.FOUND
    assert canned.requests[0].max_wait == Duration()


def test_every_call_has_a_deadline(canned: CannedServer, connect: Connect) -> None:
    canned.answers = [answer_with(symbolication_service_pb2.SymbolicateResponse())]
    client = connect(canned.target)
    client.symbolicate([], [])
    client.symbolicate([], [], timeout=5)
    assert canned.seconds_allowed == [pytest.approx(30, abs=1), pytest.approx(5, abs=1)]


def test_a_call_may_have_a_request_id(canned: CannedServer, client: Client) -> None:
    canned.answers = [answer_with(symbolication_service_pb2.SymbolicateResponse())]
    client.symbolicate([], [], request_id="bp-17")
    client.symbolicate([], [])
    assert canned.request_ids == ["bp-17", None]


def test_an_error_has_the_request_id_of_its_call(canned: CannedServer, client: Client) -> None:
    def fail(_: Any, context: grpc.ServicerContext) -> NoReturn:
        context.set_trailing_metadata((("x-request-id", "ab12"),))
        context.abort(grpc.StatusCode.INTERNAL, "it broke")

    canned.answers = [fail, abort_with(grpc.StatusCode.INTERNAL)]
    for name in ("ab12", None):
        with pytest.raises(symbolon.ServerDefectError) as caught:
            client.symbolicate([], [])
        assert caught.value.request_id == name


def test_an_answer_larger_than_grpc_usually_takes_arrives(
    canned: CannedServer, client: Client
) -> None:
    frame = stack_pb2.SymbolicatedFrame(module="m", function="f" * 16_000_000)
    canned.answers = [
        answer_with(
            symbolication_service_pb2.SymbolicateResponse(
                stacks=[stack_pb2.SymbolicatedStack(frames=[frame])],
                modules=[module_pb2.ModuleResult()],
            )
        )
    ]
    [[answered]] = client.symbolicate(MODULES, STACKS).stacks
    assert len(answered.function or "") == 16_000_000


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED])
def test_a_call_that_changes_nothing_is_retried(
    canned: CannedServer, connect: Connect, code: grpc.StatusCode
) -> None:
    client = connect(canned.target, timeout=20)
    fine = answer_with(symbolication_service_pb2.SymbolicateResponse())
    canned.answers = [abort_with(code), abort_with(code), fine]
    client.symbolicate([], [])
    assert len(canned.requests) == 3


@pytest.mark.parametrize(
    ("call", "attempts"),
    [
        pytest.param(lambda client: client.prefetch_modules(MODULES), 2, id="prefetch"),
        pytest.param(lambda client: client.list_missing_modules(), 2, id="missing"),
        pytest.param(lambda client: client.get_queue(), 2, id="queue"),
        pytest.param(lambda client: client.explain_frame("a", "AB0", 1), 2, id="explain"),
        pytest.param(lambda client: client.get_module("a", "AB0"), 2, id="module"),
        pytest.param(lambda client: client.get_store_info(), 2, id="info"),
        pytest.param(lambda client: client.invalidate_modules(MODULES), 1, id="invalidate"),
    ],
)
def test_only_calls_that_are_safe_to_repeat_are_retried(
    canned: CannedServer, connect: Connect, call: Callable[[Client], object], attempts: int
) -> None:
    client = connect(canned.target, timeout=20)
    canned.answers = [
        abort_with(grpc.StatusCode.UNAVAILABLE),
        abort_with(grpc.StatusCode.INVALID_ARGUMENT),
    ]
    with pytest.raises(symbolon.SymbolonError):
        call(client)
    assert len(canned.requests) == attempts


@pytest.mark.parametrize("code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT])
def test_a_call_that_cannot_succeed_is_made_once(
    canned: CannedServer, connect: Connect, code: grpc.StatusCode
) -> None:
    client = connect(canned.target, timeout=20)
    canned.answers = [abort_with(code)]
    with pytest.raises(symbolon.SymbolonError):
        client.symbolicate([], [])
    assert len(canned.requests) == 1


def test_a_refused_request_names_every_field(canned: CannedServer, client: Client) -> None:
    bad_request = error_details_pb2.BadRequest()
    bad_request.field_violations.add(field="modules[0].debug_id", description="not hex")
    bad_request.field_violations.add(field="modules[1].debug_id", description="not hex")
    canned.answers = [abort_with(grpc.StatusCode.INVALID_ARGUMENT, bad_request)]
    with pytest.raises(symbolon.InvalidRequestError, match=r"^the reason$") as caught:
        client.symbolicate(MODULES, STACKS)
    fields = [violation.field for violation in caught.value.violations]
    assert fields == ["modules[0].debug_id", "modules[1].debug_id"]


def test_a_full_server_says_when_to_retry(canned: CannedServer, client: Client) -> None:
    delay = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=7))
    canned.answers = [abort_with(grpc.StatusCode.RESOURCE_EXHAUSTED, delay)]
    with pytest.raises(symbolon.ServerBusyError) as caught:
        client.symbolicate(MODULES, STACKS)
    assert caught.value.retry_after_seconds == 7.0


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, symbolon.ServerUnreachableError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, symbolon.MessageTooLargeError),
        (grpc.StatusCode.UNAUTHENTICATED, symbolon.NotAllowedError),
        (grpc.StatusCode.PERMISSION_DENIED, symbolon.NotAllowedError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, symbolon.DeadlineError),
        (grpc.StatusCode.UNIMPLEMENTED, symbolon.NotOfferedError),
        (grpc.StatusCode.INTERNAL, symbolon.ServerDefectError),
        (grpc.StatusCode.UNKNOWN, symbolon.ServerDefectError),
    ],
)
def test_each_status_is_its_own_error_and_says_what_to_do(
    canned: CannedServer,
    client: Client,
    code: grpc.StatusCode,
    kind: type[symbolon.SymbolonError],
) -> None:
    canned.answers = [abort_with(code)]
    with pytest.raises(kind, match="the reason") as caught:
        client.symbolicate(MODULES, STACKS)
    assert type(caught.value) is kind
    assert canned.target in str(caught.value)
    assert caught.value.advice


def test_a_deadline_that_passes_is_an_error_of_its_own(
    canned: CannedServer, client: Client
) -> None:
    canned.answers = [lambda _, context: wait_for_the_end(context)]
    with pytest.raises(symbolon.DeadlineError):
        client.symbolicate(MODULES, STACKS, timeout=0.2)


def wait_for_the_end(
    context: grpc.ServicerContext,
) -> symbolication_service_pb2.SymbolicateResponse:
    """Return once the caller has disconnected."""
    gone = Event()
    if context.add_callback(gone.set):
        assert gone.wait(20)
    return symbolication_service_pb2.SymbolicateResponse()


def test_a_server_that_does_not_run_is_unreachable(connect: Connect) -> None:
    client = connect(f"127.0.0.1:{find_free_port()}", options=AT_ONCE)
    with pytest.raises(symbolon.ServerUnreachableError, match=r"^cannot reach 127"):
        client.symbolicate(MODULES, STACKS)


def test_a_client_that_waits_for_ready_waits_until_its_deadline(connect: Connect) -> None:
    client = connect(f"127.0.0.1:{find_free_port()}", wait_for_ready=True, timeout=0.3)
    with pytest.raises(symbolon.DeadlineError):
        client.symbolicate(MODULES, STACKS)


def find_free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def test_a_module_can_be_looked_up(canned: CannedServer, client: Client) -> None:
    response = module_service_pb2.GetModuleResponse(
        outcome=module_pb2.MODULE_OUTCOME_MISSING, detail="nobody has it"
    )
    canned.answers = [answer_with(response)]
    info = client.get_module("xul.pdb", "AB1")
    assert (info.outcome, info.detail) == (ModuleOutcome.MISSING, "nobody has it")
    assert canned.requests[0].module == module_pb2.Module(debug_file="xul.pdb", debug_id="AB1")


def test_the_store_can_be_inspected(canned: CannedServer, client: Client) -> None:
    response = store_service_pb2.GetStoreInfoResponse(modules=3, warnings=["noeviction"])
    canned.answers = [answer_with(response)]
    info = client.get_store_info()
    assert (info.modules, info.warnings) == (3, ("noeviction",))


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda client: client.get_module("a", ""), id="get_module"),
        pytest.param(lambda client: client.get_store_info(), id="get_store_info"),
        pytest.param(lambda client: client.is_serving(), id="is_serving"),
        pytest.param(lambda client: client.prefetch_modules(MODULES), id="prefetch_modules"),
        pytest.param(lambda client: client.invalidate_modules(MODULES), id="invalidate_modules"),
        pytest.param(lambda client: client.list_missing_modules(), id="list_missing_modules"),
        pytest.param(lambda client: client.get_queue(), id="get_queue"),
        pytest.param(lambda client: client.explain_frame("a", "", 1), id="explain_frame"),
        pytest.param(lambda client: list(client.symbolicate_many([REPORT])), id="many"),
    ],
)
def test_every_call_raises_errors_of_this_package_only(
    connect: Connect, call: Callable[[Client], object]
) -> None:
    client = connect(f"127.0.0.1:{find_free_port()}", options=AT_ONCE)
    with pytest.raises(symbolon.SymbolonError):
        call(client)


SERVER_CALLS = [
    pytest.param(lambda client: client.symbolicate(MODULES, STACKS), id="symbolicate"),
    pytest.param(lambda client: list(client.symbolicate_many([REPORT])), id="many"),
    pytest.param(lambda client: client.get_store_info(), id="info"),
    pytest.param(lambda client: client.is_serving(), id="is_serving"),
]


@pytest.mark.parametrize("call", SERVER_CALLS)
def test_a_closed_client_says_so(
    canned: CannedServer, connect: Connect, call: Callable[[Client], object]
) -> None:
    client = connect(canned.target)
    close(client)
    with pytest.raises(symbolon.ClosedError, match="the client is closed"):
        call(client)
    assert canned.requests == []


def test_clients_that_share_a_closed_connection_say_so(canned: CannedServer) -> None:
    local = grpc.local_channel_credentials()
    with Client(canned.target, credentials=local) as client:
        bearing = client.with_token("a-token")
    with pytest.raises(symbolon.ClosedError):
        bearing.get_store_info()


def test_a_client_that_is_interrupted_while_a_call_begins_closes(
    canned: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by Ctrl-C: gRPC has begun the call, but no thread that would notice its end."""
    monkeypatch.setattr("grpc._channel._run_channel_spin_thread", interrupt)
    local = grpc.local_channel_credentials()
    with pytest.raises(KeyboardInterrupt), Client(canned.target, credentials=local) as client:
        list(client.symbolicate_many([Report([Module("a", "A" * 33)], [[Frame(0, 1)]])]))


def interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def close(client: Client) -> None:
    """Close the client, but not the event loop of an asyncio client."""
    if isinstance(client, BlockingClient):
        client.close_client()
    else:
        client.close()


@pytest.mark.parametrize("call", SERVER_CALLS[:3])
def test_a_client_that_is_closed_during_a_call_says_so(
    canned: CannedServer, connect: Connect, call: Callable[[Client], object]
) -> None:
    arrived = Event()

    def wait(_request: Any, context: grpc.ServicerContext) -> Any:
        arrived.set()
        return wait_for_the_end(context)

    canned.answers = [wait]
    client = connect(canned.target, timeout=20)

    def close_when_it_has_arrived() -> None:
        assert arrived.wait(20)
        client.close_from_a_thread() if isinstance(client, BlockingClient) else client.close()

    closing = Thread(target=close_when_it_has_arrived)
    closing.start()
    with pytest.raises(symbolon.ClosedError):
        call(client)
    closing.join()


def test_a_task_that_is_cancelled_is_cancelled(canned: CannedServer) -> None:
    canned.answers = [lambda _, context: wait_for_the_end(context)]

    async def cancel() -> None:
        async with symbolon.AsyncClient(canned.target, timeout=20) as client:
            asking = asyncio.create_task(client.get_store_info())
            await asyncio.sleep(0)
            asking.cancel()
            await client.close()
            await asking

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancel())


def test_a_call_that_the_other_side_cancels_did_not_reach_a_server(
    canned: CannedServer, client: Client
) -> None:
    canned.answers = [abort_with(grpc.StatusCode.CANCELLED)]
    with pytest.raises(symbolon.ServerUnreachableError, match="the reason"):
        client.get_store_info()


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda c: c.symbolicate(MODULES, [Frame(0, 1)]), r"^stacks\[0\]: Frame\(.*is not a list"),
        (lambda c: c.symbolicate(MODULES, [[Module("a", "b")]]), r"^stacks\[0\]\.frames\[0\]: "),
        (lambda c: c.symbolicate(MODULES[0], STACKS), r"^modules: Module\(.*is not a list"),
        (lambda c: c.symbolicate([("a", "b")], []), r"^modules\[0\]: .* is not a module"),
        (lambda c: c.symbolicate(MODULES, None), "^stacks: None is not a list"),
        (lambda c: c.prefetch_modules(None), "^modules: None is not a list"),
        (lambda c: c.invalidate_modules(["orchard"]), r"^modules\[0\]: 'orchard' is not a module"),
        (lambda c: c.list_missing_modules("all"), "str|all"),
        (lambda c: c.is_serving(None), "^service: None is not a name"),
        (lambda c: c.get_store_info(timeout="soon"), "^timeout: 'soon'"),
        (lambda c: c.get_store_info(timeout=float("nan")), "^timeout: nan"),
        (lambda c: c.symbolicate([], [], request_id="two\nlines"), r"^request_id: 'two\\nlines'"),
        (lambda c: c.symbolicate([], [], request_id=17), "^request_id: 17"),
    ],
)
def test_values_that_no_request_can_hold_are_refused_with_their_field(
    canned: CannedServer, client: Client, call: Callable[[Client], object], complaint: str
) -> None:
    with pytest.raises(symbolon.InvalidRequestError, match=complaint):
        call(client)
    assert canned.requests == []


@pytest.mark.parametrize("report", ["a text", (MODULES, STACKS), None], ids=type)
def test_something_else_than_a_report_fails_alone(
    canned: CannedServer, client: Client, report: Any
) -> None:
    fine = symbolication_service_pb2.SymbolicateResponse()
    canned.answers = [answer_with(fine)]
    reports: list[Any] = [Report([], []), report, Report([], [])]
    results = list(client.symbolicate_many(reports))
    assert [type(result.error) for result in results] == [
        type(None),
        symbolon.InvalidReportError,
        type(None),
    ]
