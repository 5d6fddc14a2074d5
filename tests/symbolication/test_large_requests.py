"""Requests with many frames, compared with the same requests recalled frame by frame."""

from collections.abc import Callable
from contextlib import nullcontext
from unittest.mock import patch

import pytest
import redis

from symbolon.v1 import module_pb2, stack_pb2
from symbolon.v1.symbolication_service_pb2 import SymbolicateRequest, SymbolicateResponse
from symbolon_server.rpc.calls.status import FieldViolation, InvalidRequestError
from symbolon_server.rpc.symbolicate.service import Answerer, RequestLimits, WaitLimits
from symbolon_server.store.redis_store import RecentUse, RedisPageStore
from symbolon_server.symbolication import symbolicator
from symbolon_server.symbolication.memory.answer_columns import AnswerColumns
from symbolon_server.symbolication.symbolicator import MANY_BYTES
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.symbol_server import SymbolServer
from tests.ingest.symbol_files import symbol_file
from tests.symbolication.conftest import Host, IngestNow, OpenHost, calls, new_calls, new_module

MODULES, FRAMES, FUNCTIONS = 12, 700, 250
LIMITS = RequestLimits(max_modules=MODULES, max_frames=2 * FRAMES)
NEVER = 1 << 40


@pytest.fixture
def modules(supplier: SymbolServer, ingest_now: IngestNow, host: Host) -> list[ModuleId]:
    """Modules in the store."""
    del host  # whose start empties the store
    found = [new_module() for _ in range(MODULES)]
    for module_id in found:
        supplier.put(module_id, symbol_file(module_id, FUNCTIONS))
        ingest_now(module_id)
    return found


def request_of(modules: list[ModuleId], frames: int = FRAMES) -> SymbolicateRequest:
    """Return a request whose frames are in all modules, in stacks of forty and an empty one."""
    asked = [
        stack_pb2.Frame(
            module_index=number % len(modules),
            module_offset=number * 7 % 0x2000,
            is_return_address=bool(number % 40),
        )
        for number in range(frames)
    ]
    stacks = [stack_pb2.Stack(frames=asked[start : start + 40]) for start in range(0, frames, 40)]
    return SymbolicateRequest(
        modules=[module_pb2.Module(debug_file=m.debug_file, debug_id=m.debug_id) for m in modules],
        stacks=[stack_pb2.Stack(), *stacks],
    )


def answer(
    host: Host, request: SymbolicateRequest, many_bytes: int
) -> SymbolicateResponse | tuple[FieldViolation, ...]:
    """Return the answer, or the rules that are broken."""
    answerer = Answerer(host.symbolicator, LIMITS, WaitLimits(0.0, 0.0))
    data = request.SerializeToString()
    try:
        with patch.object(symbolicator, "MANY_BYTES", many_bytes):
            encoded = answerer.answer(data, None, lambda _let_go: nullcontext(enter_result=False))
    except InvalidRequestError as error:
        return tuple(error.violations)
    found = SymbolicateResponse.FromString(encoded)
    found.ClearField("diagnostics")  # they contain the time it took
    return found


def rows(host: Host) -> int:
    """Return how many frames are in columns."""
    return host.held.frames.columns.count


def test_a_large_request_is_answered_as_a_small_one(host: Host, modules: list[ModuleId]) -> None:
    request = request_of(modules)
    assert len(request.SerializeToString()) > MANY_BYTES
    expected = answer(host, request, NEVER)
    assert rows(host) == 0
    for _ in range(3):
        assert answer(host, request, MANY_BYTES) == expected
    assert rows(host) > 0.9 * FRAMES


def test_frames_without_room_in_columns_are_recalled_one_by_one(
    host: Host, modules: list[ModuleId]
) -> None:
    host.held.frames.columns = AnswerColumns(0)
    request = request_of(modules)
    expected = answer(host, request, NEVER)
    assert [answer(host, request, MANY_BYTES) for _ in range(2)] == [expected] * 2
    assert rows(host) == 0


def test_remembered_frames_are_counted_as_often_as_asked(
    host: Host, modules: list[ModuleId]
) -> None:
    request = request_of(modules)
    for _ in range(2):
        answer(host, request, MANY_BYTES)
    before = host.held.counts_of_frames()
    answer(host, request, MANY_BYTES)
    after = host.held.counts_of_frames()
    assert (after.hits - before.hits, after.misses - before.misses) == (FRAMES, 0)


def test_a_large_request_with_one_new_frame_is_answered(
    host: Host, modules: list[ModuleId]
) -> None:
    for _ in range(2):
        answer(host, request_of(modules), MANY_BYTES)
    request = request_of(modules)
    request.stacks[3].frames[5].module_offset = 0x1FFF
    assert answer(host, request, MANY_BYTES) == answer(host, request, NEVER)


def test_a_new_generation_is_answered_with_its_own_frames(
    host: Host,
    modules: list[ModuleId],
    supplier: SymbolServer,
    ingest_now: IngestNow,
    redis_store: redis.Redis,
) -> None:
    request = request_of(modules)
    old = [answer(host, request, MANY_BYTES) for _ in range(2)]
    text = symbol_file(modules[3], FUNCTIONS).replace(b" function_", b" renamed_")
    supplier.put(modules[3], text)
    redis_store.flushall()
    ingest_now(modules[3])
    host.held.modules.discard(modules[3])
    new = [answer(host, request, MANY_BYTES) for _ in range(3)]
    assert new == [answer(host, request, NEVER)] * 3
    assert new[0] not in old


def change_nothing(_request: SymbolicateRequest) -> None: ...


def ask_for_diagnostics(request: SymbolicateRequest) -> None:
    request.with_diagnostics = True


def wait_less_than_nothing(request: SymbolicateRequest) -> None:
    request.max_wait.FromSeconds(-1)


def name_a_module_too_many(request: SymbolicateRequest) -> None:
    request.modules.append(request.modules[0])


def name_no_module(request: SymbolicateRequest) -> None:
    request.modules[1].debug_id = "0x1"


def ask_for_no_module(request: SymbolicateRequest) -> None:
    request.stacks[4].frames[7].ClearField("module_index")


def ask_for_a_module_that_is_not_there(request: SymbolicateRequest) -> None:
    request.stacks[4].frames[7].module_index = MODULES


def ask_for_much(request: SymbolicateRequest) -> None:
    for stack in [*request.stacks, *request.stacks]:
        request.stacks.append(stack)


CHANGES = [
    change_nothing,
    ask_for_diagnostics,
    wait_less_than_nothing,
    name_a_module_too_many,
    name_no_module,
    ask_for_no_module,
    ask_for_a_module_that_is_not_there,
    ask_for_much,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.replace("_", " "))
def test_what_is_out_of_the_ordinary_is_answered_or_refused_as_in_a_small_request(
    host: Host, modules: list[ModuleId], change: Callable[[SymbolicateRequest], None]
) -> None:
    request = request_of(modules)
    for _ in range(2):
        answer(host, request, MANY_BYTES)
    change(request)
    assert answer(host, request, MANY_BYTES) == answer(host, request, NEVER)


def test_too_large_an_answer_of_remembered_frames_is_refused(
    host: Host, modules: list[ModuleId], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_of(modules)
    for _ in range(2):
        answer(host, request, MANY_BYTES)
    monkeypatch.setattr(symbolicator, "MAX_ANSWER_BYTES", 10 * FRAMES)
    refused = answer(host, request, MANY_BYTES)
    assert refused == answer(host, request, NEVER)
    assert isinstance(refused, tuple)


def test_pages_of_large_requests_are_touched_in_the_store(
    host: Host, modules: list[ModuleId], open_host: OpenHost, redis_store: redis.Redis
) -> None:
    del host
    now = iter(range(0, 10_000, 10))
    recent_use = RecentUse(RedisPageStore(redis_store), touch_seconds=0.0)
    touching = open_host(recent_use=recent_use, clock=lambda: float(next(now)))
    request = request_of(modules)
    answer(touching, request, MANY_BYTES)
    before = calls(redis_store)
    for _ in range(3):
        answer(touching, request, MANY_BYTES)
    assert new_calls(redis_store, before, "touch", "mget")["touch"] == 3
