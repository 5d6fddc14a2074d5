"""Only internal servers may redirect to internal addresses."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from symbolon_server.ingest.working.ingest_process import WorkLimits, run_in_process
from symbolon_server.suppliers.contents.errors import (
    MissingSymbolFileError,
    UnavailableSymbolFileError,
)
from symbolon_server.suppliers.web.http import HttpSupplier, Surroundings
from symbolon_server.suppliers.web.urls import ServerUrl
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.symbol_server import ALL_PATHS, Answer, SymbolServer
from tests.suppliers.asking import opened

TEXT = b"MODULE windows x86_64 44E4EC8C2F41492B9369D6B9A059577C2 xul.pdb\n"
OUTSIDE, INSIDE = "127.0.0.1", "127.0.0.2"
REFUSED = r"^redirects to an address that is not public$"


def is_outside(address: str) -> bool:
    """Replaces `is_public`, because a test has loopback addresses only."""
    return address == OUTSIDE


@dataclass(frozen=True, slots=True)
class Net:
    """A symbol server that counts as public, and an internal one."""

    outside: SymbolServer
    inside: SymbolServer


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Net]:
    with (
        SymbolServer(tmp_path / "outside", OUTSIDE) as outside,
        SymbolServer(tmp_path / "inside", INSIDE) as inside,
    ):
        inside.answer(ALL_PATHS, Answer(TEXT))
        yield Net(outside, inside)


def supplier_at(url: str, is_public: Callable[[str], bool] = is_outside) -> HttpSupplier:
    return HttpSupplier(
        ServerUrl.parse(url), "symbolon/1.2.3", surroundings=Surroundings(is_public=is_public)
    )


def fetch(supplier: HttpSupplier, module_id: ModuleId) -> bytes:
    with opened(supplier, AskedModule(module_id)) as stream:
        return b"".join(stream)


def redirect(server: SymbolServer, location: str) -> None:
    server.answer(ALL_PATHS, Answer(status=302, headers={"Location": location}))


@pytest.mark.promise("A public symbol server cannot lead a worker to an internal address")
def test_a_public_server_cannot_redirect_inside(net: Net, module_id: ModuleId) -> None:
    redirect(net.outside, f"{net.inside.url}latest/meta-data")
    with pytest.raises(UnavailableSymbolFileError, match=REFUSED):
        fetch(supplier_at(net.outside.url), module_id)
    assert net.inside.connections == 0


@pytest.mark.parametrize(
    "host",
    [
        "2130706434",
        "0x7f.0.0.2",
        "0177.0.0.02",
        "127.2",
        "[::ffff:127.0.0.2]",
        "[::ffff:7f00:2]",
        "127.0.0.1:80@127.0.0.2",
    ],
)
def test_no_form_of_an_internal_address_is_followed(
    net: Net, module_id: ModuleId, host: str
) -> None:
    redirect(net.outside, f"//{host}:{net.inside.port}/")
    with pytest.raises(UnavailableSymbolFileError, match=REFUSED):
        fetch(supplier_at(net.outside.url), module_id)
    assert net.inside.connections == 0


def test_a_name_counts_as_the_address_it_resolves_to(net: Net, module_id: ModuleId) -> None:
    redirect(net.inside, f"http://localhost:{net.outside.port}/")
    # localhost is 127.0.0.1, which counts as internal here, unlike 127.0.0.2.
    supplier = supplier_at(net.inside.url, lambda address: address == INSIDE)
    with pytest.raises(UnavailableSymbolFileError, match=REFUSED):
        fetch(supplier, module_id)
    assert net.outside.connections == 0


Resolve = Callable[..., object]


class Names:
    """A hostile name server: `changing.example` resolves to any address it is set to."""

    def __init__(self, resolve: Resolve, *addresses: str) -> None:
        self._resolve = resolve
        self.addresses = list(addresses)

    def __call__(self, host: str, *more: object, **options: object) -> object:
        return self._resolve(self._translate(host), *more, **options)

    def _translate(self, host: str) -> str:
        if host != "changing.example":
            return host
        return self.addresses.pop(0) if len(self.addresses) > 1 else self.addresses[0]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    answering = Names(socket.getaddrinfo, OUTSIDE)
    monkeypatch.setattr(socket, "getaddrinfo", answering)
    return answering


@pytest.mark.promise("A public symbol server cannot lead a worker to an internal address")
def test_a_name_that_changes_before_the_connection_is_refused(
    net: Net, module_id: ModuleId, names: Names
) -> None:
    redirect(net.outside, f"http://changing.example:{net.inside.port}/")
    names.addresses = [OUTSIDE, INSIDE]
    with pytest.raises(UnavailableSymbolFileError, match=REFUSED):
        fetch(supplier_at(net.outside.url), module_id)
    assert names.addresses == [INSIDE]
    assert net.inside.get_count == 0


@pytest.mark.promise("A public symbol server cannot lead a worker to an internal address")
def test_a_supplier_whose_name_changes_cannot_redirect_inside(
    net: Net, module_id: ModuleId, names: Names
) -> None:
    redirect(net.outside, f"{net.inside.url}latest/meta-data")
    names.addresses = [OUTSIDE, INSIDE]
    with pytest.raises(UnavailableSymbolFileError, match=REFUSED):
        fetch(supplier_at(f"http://changing.example:{net.outside.port}/"), module_id)
    assert net.inside.connections == 0


@pytest.mark.promise("A public symbol server cannot lead a worker to an internal address")
def test_a_supplier_that_was_public_is_not_used_at_an_internal_address(
    net: Net, module_id: ModuleId, names: Names
) -> None:
    with SymbolServer(net.inside.folder, INSIDE, port=net.outside.port) as inside:
        supplier = supplier_at(f"http://changing.example:{inside.port}/")
        cut = Answer(status=302, headers={"Location": "/secret", "Connection": "close"})
        net.outside.answer(ALL_PATHS, cut)
        names.addresses = [OUTSIDE, INSIDE]
        with pytest.raises(UnavailableSymbolFileError, match=r"^had a public address before"):
            fetch(supplier, module_id)
        assert inside.get_count == 0


@pytest.mark.promise("A public symbol server cannot lead a worker to an internal address")
def test_an_internal_server_that_becomes_public_cannot_redirect_inside(
    net: Net, module_id: ModuleId, names: Names
) -> None:
    with SymbolServer(net.inside.folder, INSIDE, port=net.outside.port) as inside:
        supplier = supplier_at(f"http://changing.example:{inside.port}/")
        names.addresses = [INSIDE]
        inside.answer(ALL_PATHS, Answer(status=404, headers={"Connection": "close"}))
        with pytest.raises(MissingSymbolFileError):
            fetch(supplier, module_id)
        names.addresses = [OUTSIDE]
        redirect(net.outside, net.inside.url)
        with pytest.raises(UnavailableSymbolFileError, match=REFUSED):
            fetch(supplier, module_id)
    assert net.inside.connections == 0


@pytest.mark.promise("A public symbol server cannot lead a worker to an internal address")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_addresses_seen_by_one_ingest_process_hold_for_the_next(
    net: Net, module_id: ModuleId, names: Names
) -> None:
    with SymbolServer(net.inside.folder, INSIDE, port=net.outside.port) as inside:
        supplier = supplier_at(f"http://changing.example:{inside.port}/")
        net.outside.answer(ALL_PATHS, Answer(TEXT))
        end = run_in_process(lambda: fetch(supplier, module_id), WorkLimits(), lambda: True)
        assert end.report == TEXT
        names.addresses = [INSIDE]
        with pytest.raises(UnavailableSymbolFileError, match=r"^had a public address before"):
            fetch(supplier, module_id)
        assert inside.get_count == 0


def test_an_internal_server_may_redirect_inside(net: Net, module_id: ModuleId) -> None:
    redirect(net.inside, f"{net.outside.url}there")
    net.outside.answer("/there", Answer(status=302, headers={"Location": f"{net.inside.url}real"}))
    net.inside.answer("/real", Answer(TEXT))
    assert fetch(supplier_at(net.inside.url), module_id) == TEXT


def test_a_public_server_may_redirect_to_another_public_one(net: Net, module_id: ModuleId) -> None:
    with SymbolServer(net.outside.folder, OUTSIDE) as other:
        other.answer(ALL_PATHS, Answer(TEXT))
        redirect(net.outside, other.url)
        assert fetch(supplier_at(net.outside.url), module_id) == TEXT


@pytest.mark.promise("A public symbol server cannot lead a worker to an internal address")
def test_a_chain_of_public_servers_cannot_redirect_inside(net: Net, module_id: ModuleId) -> None:
    with SymbolServer(net.outside.folder, OUTSIDE) as other:
        redirect(other, net.inside.url)
        redirect(net.outside, other.url)
        with pytest.raises(UnavailableSymbolFileError, match=REFUSED):
            fetch(supplier_at(net.outside.url), module_id)
    assert net.inside.connections == 0


def test_an_internal_proxy_does_not_allow_redirects_inside(
    net: Net, module_id: ModuleId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", net.inside.url)
    monkeypatch.delenv("no_proxy", raising=False)
    net.inside.answer(ALL_PATHS, Answer(TEXT))
    supplier = supplier_at("http://symbols.example/")
    assert fetch(supplier, module_id) == TEXT
    redirect(net.inside, "http://127.0.0.3/")
    with pytest.raises(UnavailableSymbolFileError, match=REFUSED):
        fetch(supplier, module_id)


def test_an_internal_address_is_known_behind_a_proxy(
    net: Net, module_id: ModuleId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", net.outside.url)
    monkeypatch.delenv("no_proxy", raising=False)
    there = Answer(status=302, headers={"Location": "http://127.0.0.4/there"})
    net.outside.answer(ALL_PATHS, there, Answer(TEXT))
    assert fetch(supplier_at("http://127.0.0.3/"), module_id) == TEXT
