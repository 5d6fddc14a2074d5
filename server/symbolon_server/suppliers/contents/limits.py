"""Limits of time and bytes for one fetch."""

from typing import NamedTuple

MIB = 1024 * 1024
GIB = 1024 * MIB


class FetchLimits(NamedTuple):
    """The limits for one fetch of one file from one supplier."""

    connect_seconds: float = 5.0
    """For a connection to one address of the host, including TLS."""

    read_seconds: float = 20.0
    """Between two pieces of a response."""

    min_bytes_per_second: int = 1024
    """Over each `read_seconds` of waiting; a slower response would block other ingests."""

    total_seconds: float = 300.0
    """From the first attempt to the last byte, including pauses and the reader's time."""

    max_sent_bytes: int = 2 * GIB
    """Of the symbol file as sent, compressed or not."""

    max_unpacked_bytes: int = 8 * GIB
    """Of the symbol file's text."""


def describe_bytes(count: int) -> str:
    """Return `count` in the largest unit that divides it, such as `2 GiB` or `100 bytes`."""
    for size, unit in ((GIB, "GiB"), (MIB, "MiB"), (1024, "KiB")):
        if count and count % size == 0:
            return f"{count // size} {unit}"
    return f"{count} bytes"
