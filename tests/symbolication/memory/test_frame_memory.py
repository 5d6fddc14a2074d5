"""Frames that are remembered, and how they age."""

from symbolon_server.symbolication.memory.server_memory import FrameMemory

FEW_BYTES = 10_000
"""Room for some dozens of frames."""


def fill(memory: FrameMemory, generation: str, frames: int) -> None:
    """Remember frames of a generation that is not referenced afterwards."""
    table = memory.table(generation)
    memory.put_many(table, ((b"%d" % number, b"answer") for number in range(frames)))


def test_the_tables_of_one_generation_are_one() -> None:
    memory = FrameMemory(FEW_BYTES)
    table = memory.table("1-a")
    memory.put_many(memory.table("1-a"), [(b"asked", b"answered")])
    assert table.young == {b"asked": b"answered"}


def test_a_table_that_was_not_used_for_long_is_still_the_one_that_is_written() -> None:
    memory = FrameMemory(FEW_BYTES)
    held = memory.table("1-a")
    fill(memory, "1-b", 500)
    memory.put_many(memory.table("1-a"), [(b"asked", b"answered")])
    assert held.young == {b"asked": b"answered"}


def test_a_frame_in_use_outlives_those_that_are_not() -> None:
    memory = FrameMemory(FEW_BYTES)
    table = memory.table("1-a")
    memory.put_many(table, [(b"used", b"one"), (b"unused", b"two")])
    for _ in range(10):
        fill(memory, "1-b", 20)
        assert table.young.get(b"used") or memory.recall_old(table, b"used") == b"one"
    assert b"unused" not in table.young
    assert b"unused" not in table.old


def test_what_is_remembered_stays_within_its_bytes() -> None:
    memory = FrameMemory(FEW_BYTES)
    tables = [memory.table(f"1-{number}") for number in range(5)]
    for number in range(2_000):
        memory.put_many(tables[number % 5], [(b"%d" % number, b"a" * (number % 50))])
        assert memory.counts().stored_bytes <= FEW_BYTES
    held = sum(len(table.young) + len(table.old) for table in tables)
    assert 20 < held == memory.counts().entries < 50
