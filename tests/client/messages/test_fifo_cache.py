"""Values computed from bytes that recur."""

from concurrent.futures import ThreadPoolExecutor

from hypothesis import given, settings
from hypothesis import strategies as st

from symbolon._messages.fifo_cache import FifoCache

KEYS = st.lists(st.binary(min_size=1, max_size=5), max_size=60)


@settings(max_examples=50)
@given(st.lists(KEYS, max_size=4), st.integers(0, 40))
def test_cached_values_equal_fresh_ones(asked: list[list[bytes]], limit: int) -> None:
    remembered = FifoCache(bytes.hex, limit)
    for keys in asked:
        assert remembered.get_all(keys) == [key.hex() for key in keys]
        assert [remembered.get(key) for key in keys] == [key.hex() for key in keys]
        assert sum(map(len, remembered._values)) == remembered._bytes <= limit
        assert sorted(remembered._order) == sorted(remembered._values)


def test_the_oldest_entries_are_evicted_first() -> None:
    made: list[bytes] = []

    def make(key: bytes) -> bytes:
        made.append(key)
        return key

    remembered = FifoCache(make, 6)
    remembered.get_all([b"aa", b"bb", b"cc", b"aa", b"bb", b"cc"])
    assert made == [b"aa", b"bb", b"cc"]
    remembered.get(b"dd")
    remembered.get_all([b"bb", b"cc", b"dd", b"aa"])
    assert made == [b"aa", b"bb", b"cc", b"dd", b"aa"]


def test_threads_get_the_same_values() -> None:
    remembered = FifoCache(bytes.hex, 50)
    keys = [b"%d" % number for number in range(100)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(remembered.get_all, [keys] * 40))
    assert found == [[key.hex() for key in keys]] * 40
    assert sum(map(len, remembered._values)) == remembered._bytes <= 50
