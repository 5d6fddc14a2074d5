"""Slow symbol servers."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from symbolon_server.suppliers.contents.errors import (
    FailingSupplierError,
    UnavailableSymbolFileError,
)
from symbolon_server.suppliers.contents.limits import FetchLimits
from symbolon_server.suppliers.web.http import Pace
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.symbol_server import ALL_PATHS, Answer, Ending, SymbolServer
from tests.suppliers.asking import TEXT, fetch
from tests.suppliers.conftest import FakeTime, MakeSupplier


def test_a_server_that_never_responds_is_unavailable_after_one_timeout(
    symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
) -> None:
    symbol_server.answer(ALL_PATHS, Answer(TEXT, ending=Ending.STALLED_AT_ONCE))

    with pytest.raises(UnavailableSymbolFileError, match=r"^timed out$"):
        fetch(make_supplier(read_seconds=0.1), module_id)
    assert symbol_server.get_count == 1


def test_a_body_that_stalls_is_unavailable(
    symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
) -> None:
    symbol_server.answer(ALL_PATHS, Answer(TEXT, ending=Ending.STALLED_MIDWAY))

    with pytest.raises(UnavailableSymbolFileError, match=r"^timed out$"):
        fetch(make_supplier(read_seconds=0.1), module_id)


def test_a_slow_body_is_aborted_after_the_time_of_one_piece(
    symbol_server: SymbolServer,
    make_supplier: MakeSupplier,
    fake_time: FakeTime,
    module_id: ModuleId,
) -> None:
    symbol_server.answer(ALL_PATHS, Answer(b"M", ending=Ending.DRIPPING))
    fake_time.step = 1.0  # with each byte

    with pytest.raises(FailingSupplierError, match=r"^sends less than 1 KiB a second$"):
        fetch(make_supplier(), module_id)
    assert fake_time.now < 1000.0 + 4 * FetchLimits().read_seconds


def test_a_body_that_never_ends_in_time_ends_at_the_total_time(
    symbol_server: SymbolServer,
    make_supplier: MakeSupplier,
    fake_time: FakeTime,
    module_id: ModuleId,
) -> None:
    symbol_server.answer(ALL_PATHS, Answer(b"M" * 65536, ending=Ending.ENDLESS))
    fake_time.step = 1.0

    with pytest.raises(UnavailableSymbolFileError, match=r"^took longer than 300 s$"):
        fetch(make_supplier(), module_id)


@pytest.mark.promise("Each fault of a symbol server has its outcome; only a definite no is missing")
def test_a_host_that_accepts_no_connection_is_unavailable(
    make_supplier: MakeSupplier, module_id: ModuleId
) -> None:
    with full_listener() as port:
        supplier = make_supplier(f"http://127.0.0.1:{port}/", connect_seconds=0.1)
        with pytest.raises(FailingSupplierError, match=r"^timed out connecting$"):
            fetch(supplier, module_id)


@contextmanager
def full_listener() -> Iterator[int]:
    """Yield a listening port whose backlog is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(2):  # the kernel accepts one more than the backlog
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


class TestPace:
    def test_the_rate_is_checked_at_the_end_of_a_window(self) -> None:
        pace = Pace(window_seconds=10.0, min_bytes_per_second=100)
        assert not any(pace.is_too_slow(1, 1.0) for _ in range(9))
        assert pace.is_too_slow(1, 1.0)

    def test_each_window_is_measured_separately(self) -> None:
        pace = Pace(window_seconds=10.0, min_bytes_per_second=100)
        assert not pace.is_too_slow(10**9, 10.0)
        assert pace.is_too_slow(999, 10.0)

    def test_a_sufficient_rate_is_accepted(self) -> None:
        pace = Pace(window_seconds=10.0, min_bytes_per_second=100)
        assert not pace.is_too_slow(1000, 10.0)
        assert not pace.is_too_slow(5, 0.0), "no time was spent waiting"
