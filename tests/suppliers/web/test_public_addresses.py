"""Which addresses are public, by range, and in every IPv6 form of an IPv4 address."""

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbolon_server.suppliers.web.public_addresses import SPECIAL_IPV4, SPECIAL_IPV6, is_public

PUBLIC_IPV4 = "8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.0", "172.32.0.0", "223.255.255.255"
OTHERS_INSIDE = (
    "224.0.0.1",
    "239.255.255.255",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "4000::1",
    "fe80::1%lo",
)

LEAD_TO_IPV4: dict[str, Callable[[int], int]] = {
    "IPv4-mapped": lambda ipv4: 0xFFFF << 32 | ipv4,
    "NAT64": lambda ipv4: 0x64_FF9B << 96 | ipv4,
    "ISATAP": lambda ipv4: 0x2606_4700 << 96 | 0x5EFE << 32 | ipv4,
    "ISATAP of an address given out": lambda ipv4: 0x2606_4700 << 96 | 0x200_5EFE << 32 | ipv4,
}
"""These are as public as the IPv4 address in them."""

NEVER_PUBLIC: dict[str, Callable[[int], int]] = {
    "IPv4-compatible": lambda ipv4: ipv4,
    "translated": lambda ipv4: 0xFFFF << 48 | ipv4,
    "a network's own NAT64": lambda ipv4: 0x64_FF9B_0001 << 80 | ipv4,
    "6to4": lambda ipv4: 0x2002 << 112 | ipv4 << 80 | 1,
    "Teredo server": lambda ipv4: 0x2001_0000 << 96 | ipv4 << 64 | ~0x0808_0808 & 0xFFFF_FFFF,
    "Teredo client": lambda ipv4: 0x2001_0000 << 96 | 0x0808_0808 << 64 | ~ipv4 & 0xFFFF_FFFF,
}


def ends(network: IPv4Network | IPv6Network) -> Iterator[IPv4Address | IPv6Address]:
    yield network.network_address
    yield network.broadcast_address


@pytest.mark.promise(
    "A public symbol server cannot lead a worker to an internal address", group="access"
)
@pytest.mark.parametrize("network", SPECIAL_IPV4, ids=str)
def test_no_special_ipv4_address_is_public_in_any_form(network: IPv4Network) -> None:
    for address in ends(network):
        assert not is_public(str(address))
        for name, write in (LEAD_TO_IPV4 | NEVER_PUBLIC).items():
            assert not is_public(str(IPv6Address(write(int(address))))), name


@pytest.mark.promise("A public symbol server cannot lead a worker to an internal address")
@pytest.mark.parametrize("network", SPECIAL_IPV6, ids=str)
def test_no_special_ipv6_address_is_public(network: IPv6Network) -> None:
    """Ranges that embed IPv4 start and end with an IPv4 address that is not public."""
    for address in ends(network):
        assert not is_public(str(address))


@pytest.mark.parametrize("address", OTHERS_INSIDE)
def test_internal_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", [*PUBLIC_IPV4, "2606:4700::1", "2a00:1450:4001:82a::200e"])
def test_internet_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", PUBLIC_IPV4)
def test_a_public_ipv4_address_is_public_in_ipv6_form(address: str) -> None:
    ipv4 = int(IPv4Address(address))
    for name, write in LEAD_TO_IPV4.items():
        assert is_public(str(IPv6Address(write(ipv4)))), name
    for name, write in NEVER_PUBLIC.items():
        assert not is_public(str(IPv6Address(write(ipv4)))), name


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_addresses_that_python_calls_not_global_are_not_public(
    address: IPv4Address | IPv6Address,
) -> None:
    """Its tables are older, but independent; half of the examples are in special ranges."""
    carries_ipv4 = isinstance(address, IPv6Address) and address.ipv4_mapped is not None
    if not (address.is_global or carries_ipv4):
        assert not is_public(str(address))


@pytest.mark.parametrize("version", [IPv4Address, IPv6Address])
def test_every_address_has_an_answer(version: type[IPv4Address | IPv6Address]) -> None:
    for bit in range(version(0).max_prefixlen):
        is_public(str(version(1 << bit)))
