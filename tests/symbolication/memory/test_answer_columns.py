"""Answers in columns, against a dictionary."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from symbolon_server.symbolication.memory.answer_columns import AnswerColumns, Answers, FrameKeys

MANY_BYTES = 1 << 22
Key = tuple[int, int]

some_keys = st.tuples(st.integers(0, 20) | st.integers(0, 2**64 - 1), st.integers(1, 2**40))
batches = st.lists(st.lists(some_keys, unique=True, max_size=40), max_size=6)


def keys_of(keys: list[Key]) -> FrameKeys:
    pairs = np.array(keys, np.uint64).reshape(-1, 2)
    return FrameKeys(pairs[:, 0].copy(), pairs[:, 1].copy())


def answer_to(key: Key) -> bytes:
    return b"%d of %d" % key


def put(columns: AnswerColumns, keys: list[Key]) -> None:
    answers = [answer_to(key) for key in keys]
    lengths = np.array([len(answer) for answer in answers], np.int64)
    columns.put_many(keys_of(keys), Answers(np.array(answers, np.object_), lengths))


def find(columns: AnswerColumns, keys: list[Key]) -> dict[Key, bytes]:
    """Return the answers that were found."""
    answers, missing = columns.find_many(keys_of(keys))
    assert answers.lengths.tolist() == [len(a) if a else 0 for a in answers.encoded]
    found = dict(zip(keys, answers.encoded.tolist(), strict=True))
    for number in missing.tolist():
        del found[keys[number]]
    return found


def keys_from(first: int, count: int) -> list[Key]:
    return [(number * 0x1_0001, 1 + number % 7) for number in range(first, first + count)]


@given(batches, st.lists(some_keys, unique=True, max_size=40))
def test_what_was_put_is_found_and_nothing_else(batches: list[list[Key]], asked: list[Key]) -> None:
    columns = AnswerColumns(MANY_BYTES)
    model: dict[Key, bytes] = {}
    for batch in batches:
        put(columns, batch)
        model |= {key: answer_to(key) for key in batch}
    known = [key for key in asked if key in model] + list(model)
    everything = list(dict.fromkeys([*asked, *model]))
    found = find(columns, everything)
    assert found.items() <= model.items()
    assert len(found) >= 0.9 * len(set(known))


def test_nearly_all_of_many_are_found_and_each_as_it_was_put() -> None:
    columns = AnswerColumns(MANY_BYTES)
    keys = keys_from(0, 20_000)
    for start in range(0, len(keys), 500):
        put(columns, keys[start : start + 500])
        put(columns, keys[start : start + 500])
    found = find(columns, keys)
    assert all(answer == answer_to(key) for key, answer in found.items())
    assert len(found) > 0.98 * len(keys)
    assert find(columns, keys_from(20_000, 20_000)) == {}


def test_what_has_no_room_leaves_what_is_there_until_all_is_forgotten() -> None:
    columns = AnswerColumns(1 << 17)
    first, second = keys_from(0, 500), keys_from(500, 500)
    put(columns, first)
    assert not columns.has_room(len(second))
    put(columns, second)
    assert find(columns, second) == {}
    assert len(find(columns, first)) > 450
    columns.clear()
    put(columns, second)
    assert len(find(columns, second)) > 450


def test_what_has_no_room_at_all_is_not_kept() -> None:
    columns = AnswerColumns(1 << 10)
    put(columns, keys_from(0, 100))
    assert find(columns, keys_from(0, 100)) == {}


def test_all_is_forgotten_at_once() -> None:
    columns = AnswerColumns(MANY_BYTES)
    put(columns, keys_from(0, 100))
    columns.clear()
    assert find(columns, keys_from(0, 100)) == {}
