"""The outcomes of responses without a symbol file."""

import socket

import pytest

from symbolon_server.suppliers.contents.errors import (
    MissingSymbolFileError,
    UnavailableSymbolFileError,
)
from symbolon_server.suppliers.layouts.options import SupplierOptions
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.symbol_server import ALL_PATHS, Answer, SymbolServer
from tests.suppliers.asking import TEXT, fetch
from tests.suppliers.conftest import FakeTime, MakeSupplier

TEMPORARY = [408, 429, 500, 502, 503, 504]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("status", [404, 410])
def test_a_definite_no_is_missing(
    symbol_server: SymbolServer,
    make_supplier: MakeSupplier,
    module_id: ModuleId,
    status: int,
) -> None:
    symbol_server.answer(ALL_PATHS, Answer(b"gone", status=status))

    with pytest.raises(MissingSymbolFileError):
        fetch(make_supplier(), module_id)
    assert symbol_server.get_count == 1


def test_403_is_missing_if_the_options_say_so(
    symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
) -> None:
    symbol_server.answer(ALL_PATHS, Answer(status=403))
    supplier = make_supplier(options=SupplierOptions(is_403_absent=True))
    with pytest.raises(MissingSymbolFileError, match=r"^has no such file \(HTTP 403\)$"):
        fetch(supplier, module_id)

    to_a_bucket = Answer(status=302, headers={"Location": "/bucket"})
    symbol_server.answer(symbol_server.path_of(module_id), to_a_bucket)
    with pytest.raises(MissingSymbolFileError, match=r"^has no such file \(HTTP 403\)$"):
        fetch(supplier, module_id)


def test_401_is_unavailable_whatever_the_options_say(
    symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
) -> None:
    symbol_server.answer(ALL_PATHS, Answer(status=401))

    with pytest.raises(UnavailableSymbolFileError, match=r"^refuses access \(HTTP 401\)$"):
        fetch(make_supplier(options=SupplierOptions(is_403_absent=True)), module_id)


@pytest.mark.parametrize("status", [201, 204, 206, 300, 304, 400, 401, 403, 405, 451, 501, 505])
def test_any_other_failure_is_unavailable(
    symbol_server: SymbolServer,
    make_supplier: MakeSupplier,
    module_id: ModuleId,
    status: int,
) -> None:
    symbol_server.answer(ALL_PATHS, Answer(status=status))

    with pytest.raises(UnavailableSymbolFileError, match=str(status)):
        fetch(make_supplier(), module_id)
    assert symbol_server.get_count == 1


@pytest.mark.parametrize("status", TEMPORARY)
def test_a_failing_server_gets_three_requests_with_growing_pauses(
    symbol_server: SymbolServer,
    make_supplier: MakeSupplier,
    fake_time: FakeTime,
    module_id: ModuleId,
    status: int,
) -> None:
    symbol_server.answer(ALL_PATHS, Answer(status=status))

    with pytest.raises(UnavailableSymbolFileError, match=f"HTTP {status}") as caught:
        fetch(make_supplier(), module_id)
    assert symbol_server.get_count == 3
    assert fake_time.pauses == [0.5, 1.0]
    assert caught.value.retry_after_seconds is None


def test_a_server_that_recovers_answers(
    symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
) -> None:
    symbol_server.answer(ALL_PATHS, Answer(status=503), Answer(status=500), Answer(TEXT))

    assert fetch(make_supplier(), module_id) == TEXT


def test_a_short_retry_after_is_waited_for(
    symbol_server: SymbolServer,
    make_supplier: MakeSupplier,
    fake_time: FakeTime,
    module_id: ModuleId,
) -> None:
    symbol_server.answer(ALL_PATHS, Answer(status=429, headers={"Retry-After": "7"}), Answer(TEXT))

    assert fetch(make_supplier(), module_id) == TEXT
    assert fake_time.pauses == [7.0]


def test_a_long_retry_after_ends_the_fetch_at_once(
    symbol_server: SymbolServer,
    make_supplier: MakeSupplier,
    fake_time: FakeTime,
    module_id: ModuleId,
) -> None:
    symbol_server.answer(ALL_PATHS, Answer(status=429, headers={"Retry-After": "120"}))

    with pytest.raises(UnavailableSymbolFileError, match="HTTP 429") as caught:
        fetch(make_supplier(), module_id)
    assert caught.value.retry_after_seconds == 120.0
    assert symbol_server.get_count == 1
    assert fake_time.pauses == []


def test_no_pause_exceeds_the_total_time(
    symbol_server: SymbolServer,
    make_supplier: MakeSupplier,
    fake_time: FakeTime,
    module_id: ModuleId,
) -> None:
    symbol_server.answer(ALL_PATHS, Answer(status=503, headers={"Retry-After": "9"}))

    with pytest.raises(UnavailableSymbolFileError):
        fetch(make_supplier(total_seconds=20), module_id)
    assert fake_time.pauses == [9.0, 9.0]
    with pytest.raises(UnavailableSymbolFileError):
        fetch(make_supplier(total_seconds=9), module_id)
    assert fake_time.pauses == [9.0, 9.0]


@pytest.mark.promise("Each fault of a symbol server has its outcome; only a definite no is missing")
def test_a_refused_connection_is_retried(
    make_supplier: MakeSupplier, fake_time: FakeTime, module_id: ModuleId
) -> None:
    supplier = make_supplier(f"http://127.0.0.1:{free_port()}/")

    with pytest.raises(UnavailableSymbolFileError, match=r"^connection refused$"):
        fetch(supplier, module_id)
    assert fake_time.pauses == [0.5, 1.0]


@pytest.mark.promise("Each fault of a symbol server has its outcome; only a definite no is missing")
def test_a_failed_name_resolution_is_retried(
    make_supplier: MakeSupplier, fake_time: FakeTime, module_id: ModuleId
) -> None:
    supplier = make_supplier("http://symbols.invalid/")

    with pytest.raises(UnavailableSymbolFileError, match=r"^its host name cannot be resolved$"):
        fetch(supplier, module_id)
    assert fake_time.pauses == [0.5, 1.0]


def test_tls_to_a_server_without_it_fails_at_once(
    symbol_server: SymbolServer,
    make_supplier: MakeSupplier,
    fake_time: FakeTime,
    module_id: ModuleId,
) -> None:
    supplier = make_supplier(symbol_server.url.replace("http:", "https:"))

    with pytest.raises(UnavailableSymbolFileError, match=r"^TLS failed$"):
        fetch(supplier, module_id)
    assert fake_time.pauses == []
