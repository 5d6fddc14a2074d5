"""How much of time and bytes one fetch may take."""

from dataclasses import dataclass

MIB = 1024 * 1024
GIB = 1024 * MIB


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """The most that one fetch of one symbol file from one supplier may take."""

    connect_seconds: float = 5.0
    """For a connection to one address of the host, TLS included."""

    read_seconds: float = 20.0
    """Between two pieces of an answer."""

    min_bytes_per_second: int = 1024
    """While `read_seconds` are spent waiting; a slower answer would take the time of all others."""

    total_seconds: float = 300.0
    """From the first attempt to the last byte, pauses and the reader's own time included."""

    max_sent_bytes: int = 2 * GIB
    """Of the symbol file as sent, compressed or not."""

    max_unpacked_bytes: int = 8 * GIB
    """Of the symbol file's text."""


def describe_bytes(count: int) -> str:
    """Return `count` for a person, in the largest unit that divides it: `2 GiB`, `100 bytes`."""
    for size, unit in ((GIB, "GiB"), (MIB, "MiB"), (1024, "KiB")):
        if count and count % size == 0:
            return f"{count // size} {unit}"
    return f"{count} bytes"
