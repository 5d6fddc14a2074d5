"""Numbers at places, and the highest of those between any two places."""

_NOTHING = -(2**64)
"""Lower than every number that is put."""


class Maxima:
    """A tree of maxima: both putting and finding take time log n."""

    def __init__(self, places: int) -> None:
        """Start with nothing at any of the `places`."""
        self._leaves = places
        self._tree = [_NOTHING] * (2 * places)

    def put(self, place: int, number: int) -> None:
        """Put `number` at `place`, beside what is there."""
        node = place + self._leaves
        while node and self._tree[node] < number:
            self._tree[node] = number
            node >>= 1

    def find(self, first: int, end: int) -> int:
        """Return the highest number at a place from `first` up to `end`, -2^64 if none is."""
        highest = _NOTHING
        low, high = first + self._leaves, end + self._leaves
        while low < high:
            if low & 1:
                highest = max(highest, self._tree[low])
                low += 1
            if high & 1:
                high -= 1
                highest = max(highest, self._tree[high])
            low >>= 1
            high >>= 1
        return highest
