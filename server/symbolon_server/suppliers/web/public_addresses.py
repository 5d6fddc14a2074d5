"""Which IP addresses are the same host from everywhere on the internet.

The tables are IANA's registries of special-purpose addresses, as of 2025-10-09:
https://www.iana.org/assignments/iana-ipv4-special-registry and
https://www.iana.org/assignments/iana-ipv6-special-registry. Python's `ipaddress` has older tables,
which differ by version, and counts globally reachable entries as public.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

SPECIAL_IPV4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "0.0.0.0/32",  # this host
            "10.0.0.0/8",  # private use
            "100.64.0.0/10",  # shared by customers of a provider
            "127.0.0.0/8",  # loopback
            "169.254.0.0/16",  # link local, a cloud's metadata among it
            "172.16.0.0/12",  # private use
            "192.0.0.0/24",  # protocol assignments
            "192.0.0.0/29",  # IPv4 service continuity
            "192.0.0.8/32",  # dummy address
            "192.0.0.9/32",  # Port Control Protocol
            "192.0.0.10/32",  # TURN
            "192.0.0.170/32",  # discovery of NAT64
            "192.0.0.171/32",  # discovery of NAT64
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # multicast tunnels
            "192.88.99.0/24",  # relays of 6to4
            "192.88.99.2/32",  # relays of 6a44
            "192.168.0.0/16",  # private use
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "240.0.0.0/4",  # reserved
            "255.255.255.255/32",  # broadcast
        ),
    )
)

SPECIAL_IPV6 = tuple(
    map(
        IPv6Network,
        (
            "::1/128",  # loopback
            "::/128",  # unspecified
            "::ffff:0:0/96",  # IPv4-mapped
            "64:ff9b::/96",  # IPv4 by NAT64
            "64:ff9b:1::/48",  # IPv4 by a network's own NAT64
            "100::/64",  # discard
            "100:0:0:1::/64",  # dummy prefix
            "2001::/23",  # protocol assignments
            "2001::/32",  # Teredo
            "2001:1::1/128",  # Port Control Protocol
            "2001:1::2/128",  # TURN
            "2001:1::3/128",  # registration of services by DNS
            "2001:2::/48",  # benchmarks
            "2001:3::/32",  # multicast tunnels
            "2001:4:112::/48",  # AS112
            "2001:10::/28",  # ORCHID
            "2001:20::/28",  # ORCHIDv2
            "2001:30::/28",  # drones
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4
            "2620:4f:8000::/48",  # AS112
            "3fff::/20",  # documentation
            "5f00::/16",  # segment routing
            "fc00::/7",  # unique local
            "fe80::/10",  # link local
        ),
    )
)

_MULTICAST = IPv4Network("224.0.0.0/4")
"""Not in the registry of special-purpose addresses: it has a registry of its own."""

_GLOBAL_UNICAST = IPv6Network("2000::/3")
"""All of IPv6 that is allocated so far; excludes site-local, IPv4-compatible, translated and
multicast addresses."""

_CARRIERS = IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96")
"""Special, but in daily use as other forms of an IPv4 address: dual-stack sockets report the first,
and DNS64 returns the second on IPv6-only networks."""

_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})
"""The third quarter of an address whose last quarter is the IPv4 address of a tunnel's end."""

_LOW_32 = 0xFFFF_FFFF


def is_public(address: str) -> bool:
    """Return whether this IP address is the same host from everywhere on the internet."""
    ip = ip_address(address)
    if isinstance(ip, IPv4Address):
        return ip not in _MULTICAST and not any(ip in special for special in SPECIAL_IPV4)
    return _is_global(ip) and all(is_public(str(inner)) for inner in _embedded(ip))


def _is_global(ip: IPv6Address) -> bool:
    if any(ip in carrier for carrier in _CARRIERS):
        return True
    return ip in _GLOBAL_UNICAST and not any(ip in special for special in SPECIAL_IPV6)


def _embedded(ip: IPv6Address) -> Iterator[IPv4Address]:
    """Yield the IPv4 address that packets to this address finally reach."""
    is_carried = any(ip in carrier for carrier in _CARRIERS)
    if is_carried or int(ip) >> 32 & _LOW_32 in _ISATAP:
        yield IPv4Address(int(ip) & _LOW_32)
