"""A supplier that is not asked again for what it did not have."""

import os
from pathlib import Path

import pytest

from symbolon_server.suppliers.contents.errors import (
    MissingSymbolFileError,
    UnavailableSymbolFileError,
)
from symbolon_server.suppliers.contents.supplier import Supplier
from symbolon_server.suppliers.layouts.layout import CandidatePath, FileUse
from symbolon_server.suppliers.misses import MISS_SECONDS, Misses, SupplierWithMemory
from symbolon_server.suppliers.parse import parse_suppliers
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.symbol_server import ALL_PATHS, MISSING, Answer, SymbolServer
from tests.suppliers.asking import TEXT, fetch
from tests.suppliers.conftest import FakeTime, MakeSupplier

REMEMBERED = r"^was asked within the hour, and has no such file$"


def path(name: str) -> CandidatePath:
    return CandidatePath((name,), FileUse.TEXT)


def assert_missing(supplier: Supplier, module_id: ModuleId, complaint: str) -> None:
    with pytest.raises(MissingSymbolFileError, match=complaint):
        fetch(supplier, module_id)


def test_a_miss_is_not_requested_again_within_the_hour(
    symbol_server: SymbolServer,
    make_supplier: MakeSupplier,
    fake_time: FakeTime,
    module_id: ModuleId,
) -> None:
    supplier = SupplierWithMemory(make_supplier(), Misses(clock=fake_time.clock))
    symbol_server.answer(ALL_PATHS, MISSING)
    assert_missing(supplier, module_id, r"^has no such file$")
    assert_missing(supplier, module_id, REMEMBERED)
    fake_time.now += MISS_SECONDS - 1
    assert_missing(supplier, module_id, REMEMBERED)
    fake_time.now += 1
    assert_missing(supplier, module_id, r"^has no such file$")
    assert symbol_server.get_count == 2


def test_what_is_found_or_unavailable_is_requested_again(
    symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
) -> None:
    supplier = SupplierWithMemory(make_supplier())
    symbol_server.answer(ALL_PATHS, Answer(status=403), Answer(TEXT), Answer(TEXT))
    with pytest.raises(UnavailableSymbolFileError):
        fetch(supplier, module_id)
    assert fetch(supplier, module_id) == TEXT
    assert fetch(supplier, module_id) == TEXT


def test_a_worker_and_its_forks_share_what_they_remember() -> None:
    misses = Misses()
    misses.add(path("of the parent"))
    child = os.fork()
    if child == 0:
        misses.add(path("of the fork"))
        os._exit(0 if misses.has(path("of the parent")) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert misses.has(path("of the fork"))
    assert not misses.has(path("of nobody"))


def test_a_full_table_forgets_and_never_mistakes_one_path_for_another() -> None:
    misses = Misses(slots=2)
    paths = [path(str(number)) for number in range(10)]
    for known in paths:
        misses.add(known)
    assert misses.has(paths[-1])
    assert 1 <= sum(map(misses.has, paths)) <= 2
    assert not any(misses.has(path(f"other {number}")) for number in range(10))


def test_a_source_says_that_its_misses_last(
    symbol_server: SymbolServer, tmp_path: Path, module_id: ModuleId
) -> None:
    file = tmp_path / "sources.toml"
    location = f'[[source]]\nlocation = "{symbol_server.url}"\n'
    file.write_text(f"{location}retry_missing = false\n{location}retry_missing = true")
    lasting, retried = parse_suppliers(str(file))
    for supplier in (lasting, lasting, retried, retried):
        with pytest.raises(MissingSymbolFileError):
            fetch(supplier, module_id)
    assert symbol_server.get_count == 3
