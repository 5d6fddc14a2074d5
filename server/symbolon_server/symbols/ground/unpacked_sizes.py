"""How large a file may become when it is unpacked, whatever it is packed in."""

from typing import Final

MAX_RATIO: Final = 100
"""How many times as large. Compression makes symbols 4 to 20 times smaller, zeros over 500 times.
"""

FREE_BYTES: Final = 64 << 20
"""What may be unpacked from any number of bytes."""

OUT_OF_PROPORTION: Final = f"{MAX_RATIO} times its size"


def is_out_of_proportion(unpacked_bytes: int, packed_bytes: int) -> bool:
    """Return whether so much is unpacked from so little that no symbols are in it."""
    return unpacked_bytes > max(FREE_BYTES, MAX_RATIO * packed_bytes)
