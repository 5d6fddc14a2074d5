"""What was made of bytes that come again and again."""

from hypothesis import given, settings
from hypothesis import strategies as st

from symbolon.remembered import Remembered

KEYS = st.lists(st.binary(min_size=1, max_size=5), max_size=60)


@settings(max_examples=50)
@given(st.lists(KEYS, max_size=4), st.integers(0, 40))
def test_values_are_those_that_would_be_made_anew(asked: list[list[bytes]], limit: int) -> None:
    remembered = Remembered(bytes.hex, limit)
    for keys in asked:
        assert remembered.get_all(keys) == [key.hex() for key in keys]
        assert [remembered.get(key) for key in keys] == [key.hex() for key in keys]
        held = [*remembered._young, *remembered._old]
        # The last one may go over the limit by itself.
        assert sum(map(len, held)) <= 2 * limit + 2 * 5


def test_what_is_asked_for_again_is_made_once() -> None:
    made: list[bytes] = []

    def make(key: bytes) -> bytes:
        made.append(key)
        return key

    remembered = Remembered(make, 8)
    for other in range(100):
        remembered.get_all([b"often", b"%02d" % other])
    assert made.count(b"often") == 1
    assert len(made) == 101
