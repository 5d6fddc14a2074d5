"""More calls, and calls that wait, than a server answers at once."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import median, quantiles
from threading import Event

import grpc
import pytest

from symbolon import Client, FrameOutcome, ServerBusyError
from symbolon._calling.rpc_errors import translate
from symbolon.v1 import module_pb2, stack_pb2
from symbolon.v1.symbolication_service_pb2 import SymbolicateRequest
from tests.app.conftest import wait_until
from tests.fixtures.symbol_server import ALL_PATHS, Answer, Ending
from tests.system.conftest import Site
from tests.system.known_modules import SAYS_WHY, KnownModule, Question, known_modules

pytestmark = pytest.mark.alone

ALONE = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
"""A connection of the client's own, and no second attempt."""


def seconds_of(call: Callable[[], object]) -> float:
    start = time.monotonic()
    call()
    return time.monotonic() - start


SYMBOLICATE = "/symbolon.v1.SymbolicationService/Symbolicate"
LIMIT = 4
EXCESS = 12
FLOOD_SECONDS = 1.5
QUICK_SECONDS = 0.1


class Flood:
    """Callers of one question that do as they are told, and spend no time on the answers."""

    def __init__(self, target: str, module: KnownModule, offsets: Iterable[int]) -> None:
        module_id = module.module_id
        self._target = target
        self._request = SymbolicateRequest(
            modules=[
                module_pb2.Module(debug_file=module_id.debug_file, debug_id=module_id.debug_id)
            ],
            stacks=[
                stack_pb2.Stack(
                    frames=[stack_pb2.Frame(module_index=0, module_offset=at) for at in offsets]
                )
            ],
        ).SerializeToString()
        self.accepted: list[float] = []
        self.refused: list[float] = []

    def run(self, callers: int, seconds: float) -> None:
        end = time.monotonic() + seconds
        with ThreadPoolExecutor(callers) as pool:
            for done in [pool.submit(self._call_until, end) for _ in range(callers)]:
                done.result()

    def _call_until(self, end: float) -> None:
        pause = Event()
        with grpc.insecure_channel(self._target, ALONE) as channel:
            call: Callable[..., bytes] = channel.unary_unary(SYMBOLICATE)
            while time.monotonic() < end:
                start = time.monotonic()
                try:
                    call(self._request, timeout=60.0)
                except grpc.RpcError as error:
                    self.refused.append(time.monotonic() - start)
                    pause.wait(pushback_of(error))
                else:
                    self.accepted.append(time.monotonic() - start)


def pushback_of(error: grpc.RpcError) -> float:
    """Return when a call that was refused is to be made again; fail for any other error."""
    busy = translate(error, "")
    assert isinstance(busy, ServerBusyError), busy
    assert busy.retry_after_seconds > 0.0
    return busy.retry_after_seconds


@contextmanager
def checking_health(target: str) -> Iterator[list[float]]:
    """Ask for the server's health all the time; yield how long each answer took."""
    taken: list[float] = []
    is_over = Event()

    def check() -> None:
        with Client(target, options=ALONE) as client:
            while not is_over.wait(0.02):
                taken.append(seconds_of(client.is_serving))

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(check)
        try:
            yield taken
        finally:
            is_over.set()
        done.result()


@pytest.mark.promise(
    "Calls beyond the limit are refused within 100 ms, and cost others little", group="limits"
)
def test_calls_beyond_the_limit_are_refused_fast_and_cost_the_others_little(site: Site) -> None:
    [module] = known_modules([1], functions=4_000)
    site.supplier.put(module.module_id, module.symbol_file())
    site.work()
    server = site.serve(max_calls_in_flight=str(LIMIT), threads=str(LIMIT))
    target = server.await_address()
    offsets = range(0, 4_000 * 32, 16)
    with Client(target) as client:
        client.symbolicate(*Question([module], [offsets]).request())
    unloaded, loaded = Flood(target, module, offsets), Flood(target, module, offsets)
    unloaded.run(LIMIT, FLOOD_SECONDS)
    with checking_health(target) as health:
        loaded.run(LIMIT + EXCESS, FLOOD_SECONDS)
    assert len(loaded.refused) > EXCESS
    assert median(loaded.refused) < QUICK_SECONDS
    assert median(loaded.accepted) < 2 * median(unloaded.accepted)
    assert quantiles(health, n=10)[8] < QUICK_SECONDS


WAITING_CALLS = 200
HOT_CALLS = 300
ENOUGH_CALLS = 50
"""On a slow machine no more may be made while the others wait."""

COLD_DEADLINE_SECONDS = 4.0


def slowest_hundredth(
    client: Client, question: Question, goes_on: Callable[[], bool] = lambda: True
) -> float:
    taken: list[float] = []
    while len(taken) < HOT_CALLS and goes_on():
        taken.append(seconds_of(lambda: client.symbolicate(*question.request())))
    assert len(taken) >= ENOUGH_CALLS
    return quantiles(taken, n=100)[98]


@pytest.mark.promise(
    "Waiting calls do not delay others, and are answered by their deadline", group="limits"
)
def test_hot_calls_are_not_held_up_by_two_hundred_that_wait_for_a_slow_supplier(
    site: Site,
) -> None:
    hot, *cold = known_modules(range(1 + WAITING_CALLS), functions=500)
    site.supplier.put(hot.module_id, hot.symbol_file())
    site.work()
    target = site.serve().await_address()
    question = Question([hot], [list(range(0, 500 * 32, 320))])
    with Client(target) as client, ThreadPoolExecutor(WAITING_CALLS) as pool:
        client.symbolicate(*question.request())
        before = slowest_hundredth(client, question)
        site.supplier.answer(ALL_PATHS, Answer(b"", ending=Ending.STALLED_AT_ONCE))
        start = time.monotonic()

        def call(module: KnownModule) -> tuple[set[FrameOutcome], float]:
            with Client(target, timeout=COLD_DEADLINE_SECONDS, options=ALONE) as own:
                answer = own.symbolicate(*Question([module], [[0]]).request())
            outcomes = {frame.outcome for stack in answer.stacks for frame in stack}
            return outcomes, time.monotonic() - start

        calls = [pool.submit(call, module) for module in cold]
        wait_until(lambda: client.get_store_info().queued_modules == WAITING_CALLS - 1)
        during = slowest_hundredth(client, question, lambda: not all(c.done() for c in calls))
        answers = [done.result(60) for done in calls]
        site.supplier.release()
        after = slowest_hundredth(client, question)
    assert all(outcomes <= SAYS_WHY for outcomes, _ in answers)
    assert during < 3 * max(before, after)
