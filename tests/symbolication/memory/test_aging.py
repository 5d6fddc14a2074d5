"""The map that forgets: its promise against a log of everything that was done."""

import threading
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbolon_server.symbolication.memory.server_memory import AgingMap

MAX_BYTES = 40


def make_map(max_bytes: int = MAX_BYTES) -> AgingMap[str, bytes]:
    return AgingMap(max_bytes, lambda _key, value: len(value))


@dataclass
class UseLog:
    """The promise in its slowest form: all uses of all entries, in order.

    An entry must be there as long as what was put or found since its last use, and the entry
    itself, weigh no more than half of the limit.
    """

    values: dict[str, bytes] = field(default_factory=dict)
    uses: list[tuple[str, int]] = field(default_factory=list)

    def put(self, key: str, value: bytes) -> None:
        self.values[key] = value
        self.uses.append((key, len(value)))

    def use(self, key: str) -> None:
        self.uses.append((key, len(self.values[key])))

    def discard(self, key: str) -> None:
        self.values.pop(key, None)

    def must_be_there(self, key: str) -> bool:
        if key not in self.values:
            return False
        weight_since = 0
        for used, weight in reversed(self.uses):
            weight_since += weight
            if used == key:
                break
        return weight_since <= MAX_BYTES // 2


keys = st.sampled_from("abcdefgh")
values = st.integers(0, 30).map(bytes)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), keys, values),
        st.tuples(st.just("get"), keys, st.just(b"")),
        st.tuples(st.just("discard"), keys, st.just(b"")),
    ),
    max_size=60,
)


@given(steps)
def test_what_was_used_lately_is_there_and_never_another_value(
    steps: list[tuple[str, str, bytes]],
) -> None:
    entries, log = make_map(), UseLog()
    for verb, key, value in steps:
        if verb == "put":
            entries.put(key, value)
            log.put(key, value)
        elif verb == "discard":
            entries.discard(key)
            log.discard(key)
        else:
            is_promised = log.must_be_there(key)
            found = entries.get(key)
            assert found in (None, log.values.get(key))
            assert found is not None or not is_promised
            if found is not None:
                log.use(key)
        entries.check()
        assert entries.counts().stored_bytes <= MAX_BYTES


def test_an_entry_over_half_of_the_limit_is_not_kept_nor_what_it_replaces() -> None:
    entries = make_map()
    entries.put("a", b"small")
    entries.put("a", bytes(MAX_BYTES // 2 + 1))
    assert entries.get("a") is None
    assert entries.counts().stored_bytes == 0


def test_a_limit_of_zero_keeps_nothing() -> None:
    entries = make_map(0)
    entries.put("a", b"1")
    assert entries.get("a") is None


def test_what_is_used_outlives_what_is_not() -> None:
    entries = make_map()
    entries.put_many([("hot", bytes(5)), ("cold", bytes(5))])
    for number in range(20):
        entries.put(f"other {number}", bytes(5))
        assert entries.get("hot") is not None
        entries.check()
    assert entries.get("cold") is None


def test_hits_and_misses_are_counted_for_each_key() -> None:
    entries = make_map()
    entries.put("a", b"1")
    entries.get_many(["a", "b", "a", "c", "d"])
    counts = entries.counts()
    assert (counts.entries, counts.hits, counts.misses) == (1, 2, 3)


def test_a_cleared_map_is_empty() -> None:
    entries = make_map()
    entries.put_many([("a", b"1"), ("b", b"2")])
    entries.clear()
    entries.check()
    assert entries.get_many(["a", "b"]) == [None, None]
    assert entries.counts().stored_bytes == 0


def test_the_check_notices_a_wrong_sum() -> None:
    entries = make_map()
    entries.put("a", b"1")
    entries._young_bytes += 1
    with pytest.raises(AssertionError, match="1 bytes counted as 2"):
        entries.check()


def test_many_threads_leave_the_map_sound() -> None:
    entries = make_map(1000)
    start = threading.Barrier(8)

    def use(seed: int) -> None:
        start.wait()
        for number in range(2000):
            key = f"{(number * seed) % 97}"
            if entries.get(key) is None:
                entries.put(key, key.encode() * 10)

    threads = [threading.Thread(target=use, args=(seed,)) for seed in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries.check()
    counts = entries.counts()
    assert counts.hits + counts.misses == 8 * 2000


def test_what_is_young_is_got_without_being_counted() -> None:
    held = make_map()
    held.put("a", b"1")
    assert held.get_young("a") == b"1"
    assert held.get_young("b") is None
    assert held.counts().hits == held.counts().misses == 0
    held.count_hits(1)
    assert held.counts().hits == 1


def test_what_is_old_is_not_got_as_young() -> None:
    held = make_map()
    held.put("a", bytes(MAX_BYTES // 2))
    held.put("b", bytes(MAX_BYTES // 2))
    assert held.get_young("a") is None
    assert held.get("a") is not None
