"""A redirect leads to what is private only from what is private itself."""

import ipaddress
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from symbolon_server.suppliers.errors import UnavailableSymbolFileError
from symbolon_server.suppliers.http import HttpSupplier, Surroundings
from symbolon_server.suppliers.redirect_guard import is_public
from symbolon_server.suppliers.urls import ServerUrl
from symbolon_server.symbols.asked_modules import AskedModule
from symbolon_server.symbols.module_ids import ModuleId
from tests.fixtures.symbol_server import ALL_PATHS, Answer, SymbolServer

TEXT = b"MODULE windows x86_64 44E4EC8C2F41492B9369D6B9A059577C2 xul.pdb\n"
OUTSIDE, INSIDE = "127.0.0.1", "127.0.0.2"
REFUSED = r"^redirects to an address that is not public$"


def is_outside(address: str) -> bool:
    """Stands in for `is_public`: a test has loopback addresses only."""
    return address == OUTSIDE


@dataclass(frozen=True, slots=True)
class Net:
    """A symbol server that counts as public, and one that only insiders reach."""

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
    with supplier.fetch(AskedModule(module_id)) as stream:
        return b"".join(stream)


def redirect(server: SymbolServer, location: str) -> None:
    server.answer(ALL_PATHS, Answer(status=302, headers={"Location": location}))


def test_a_public_server_does_not_lead_us_inside(net: Net, module_id: ModuleId) -> None:
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
def test_no_spelling_of_an_address_inside_is_followed(
    net: Net, module_id: ModuleId, host: str
) -> None:
    redirect(net.outside, f"//{host}:{net.inside.port}/")
    with pytest.raises(UnavailableSymbolFileError, match=REFUSED):
        fetch(supplier_at(net.outside.url), module_id)
    assert net.inside.connections == 0


def test_a_name_counts_as_what_it_stands_for(net: Net, module_id: ModuleId) -> None:
    redirect(net.inside, f"http://localhost:{net.outside.port}/")
    # localhost is 127.0.0.1, which is inside in this one, where 127.0.0.2 is not.
    supplier = supplier_at(net.inside.url, lambda address: address == INSIDE)
    with pytest.raises(UnavailableSymbolFileError, match=REFUSED):
        fetch(supplier, module_id)
    assert net.outside.connections == 0


def test_a_name_that_changes_before_the_connection_is_made_leads_nowhere(
    net: Net, module_id: ModuleId, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a name server of bad will does it, that is asked twice and answers two things."""
    redirect(net.outside, f"http://changing.example:{net.inside.port}/")
    changing = iter([OUTSIDE, INSIDE])
    resolve = socket.getaddrinfo

    def answer_in_turn(host: str, *more: object, **options: object) -> object:
        named = next(changing) if host == "changing.example" else host
        return resolve(named, *more, **options)  # type: ignore[arg-type] # as they came

    monkeypatch.setattr(socket, "getaddrinfo", answer_in_turn)
    with pytest.raises(UnavailableSymbolFileError, match=REFUSED):
        fetch(supplier_at(net.outside.url), module_id)
    assert next(changing, None) is None
    assert net.inside.get_count == 0


def test_a_server_inside_leads_us_inside(net: Net, module_id: ModuleId) -> None:
    redirect(net.inside, f"{net.outside.url}there")
    net.outside.answer("/there", Answer(status=302, headers={"Location": f"{net.inside.url}real"}))
    net.inside.answer("/real", Answer(TEXT))
    assert fetch(supplier_at(net.inside.url), module_id) == TEXT


def test_a_public_server_may_lead_us_to_another_public_one(net: Net, module_id: ModuleId) -> None:
    with SymbolServer(net.outside.folder, OUTSIDE) as other:
        other.answer(ALL_PATHS, Answer(TEXT))
        redirect(net.outside, other.url)
        assert fetch(supplier_at(net.outside.url), module_id) == TEXT


def test_no_public_server_leads_us_inside_by_way_of_another(net: Net, module_id: ModuleId) -> None:
    with SymbolServer(net.outside.folder, OUTSIDE) as other:
        redirect(other, net.inside.url)
        redirect(net.outside, other.url)
        with pytest.raises(UnavailableSymbolFileError, match=REFUSED):
            fetch(supplier_at(net.outside.url), module_id)
    assert net.inside.connections == 0


def test_a_proxy_may_be_inside_but_leads_us_nowhere_inside(
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


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",  # noqa: S104 - only looked at
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%lo",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
    ],
)
def test_what_only_insiders_reach_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "::ffff:8.8.8.8", "2606:4700::1", "64:ff9b::808:808"]
)
def test_what_everybody_reaches_is_public(address: str) -> None:
    assert is_public(address)


def test_every_address_is_judged() -> None:
    for version in (ipaddress.IPv4Address, ipaddress.IPv6Address):
        for bit in range(version(0).max_prefixlen):
            is_public(str(version(1 << bit)))
