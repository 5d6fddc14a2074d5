"""Fixtures for the tests of suppliers."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from symbolon_server.suppliers.contents.limits import FetchLimits
from symbolon_server.suppliers.layouts.options import SupplierOptions
from symbolon_server.suppliers.web.http import HttpSupplier, Surroundings
from symbolon_server.suppliers.web.urls import ServerUrl
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.symbol_server import SymbolServer, symbol_server

__all__ = ["symbol_server"]


@dataclass
class FakeTime:
    """A clock that moves only during a sleep, and by `step` with each reading."""

    now: float = 1000.0
    step: float = 0.0
    pauses: list[float] = field(default_factory=list)

    def clock(self) -> float:
        self.now += self.step
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


MakeSupplier = Callable[..., HttpSupplier]


@pytest.fixture
def fake_time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def make_supplier(symbol_server: SymbolServer, fake_time: FakeTime) -> MakeSupplier:
    """Return a factory of suppliers for the symbol server, or for another URL."""
    surroundings = Surroundings(fake_time.clock, fake_time.sleep, lambda: 1.0)

    def make(
        url: str | None = None, options: SupplierOptions | None = None, **limits: float
    ) -> HttpSupplier:
        return HttpSupplier(
            ServerUrl.parse(url or symbol_server.url),
            "symbolon/1.2.3",
            FetchLimits(**limits),  # type: ignore[arg-type]  # two fields are int
            surroundings=surroundings,
            options=options,
        )

    return make


@pytest.fixture
def module_id() -> ModuleId:
    return ModuleId.parse("xul.pdb", "44E4EC8C2F41492B9369D6B9A059577C2")
