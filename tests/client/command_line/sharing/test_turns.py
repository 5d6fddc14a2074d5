"""Lines are written in turns, by threads with a real ring of pipes."""

import os
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from symbolon.command_line.sharing.turns import Ring, RingTurns
from symbolon.command_line.showing.line_writer import LineWriter, TurnLostError

AHEAD = 1_000


@pytest.fixture
def ring() -> Iterator[Ring]:
    with Ring(2) as ring:
        yield ring


@pytest.fixture
def out(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "out", os.O_CREAT | os.O_APPEND | os.O_RDWR)
    yield descriptor
    os.close(descriptor)


def read_all(descriptor: int) -> bytes:
    return os.pread(descriptor, 10_000_000, 0)


def test_blocks_are_written_in_turns(ring: Ring, out: int) -> None:
    first, second = (
        LineWriter(out, RingTurns(place, is_first=not number), AHEAD)
        for number, place in enumerate(ring.places)
    )
    second.write(b"2", ends_block=True)
    second.write(b"4", ends_block=False)
    first.write(b"1", ends_block=True)
    first.write(b"3a", ends_block=False)
    first.write(b"3b", ends_block=True)
    first.finish()
    second.finish()
    assert read_all(out) == b"1\n2\n3a\n3b\n4\n"


def test_a_block_of_many_lines_is_written_whole(ring: Ring, out: int) -> None:
    writer = LineWriter(out, RingTurns(ring.places[0], is_first=True), AHEAD)
    lines = [b"%d" % number for number in range(5_000)]
    for line in lines:
        writer.write(line, ends_block=False)
    writer.finish()
    assert read_all(out).splitlines() == lines


def test_a_lost_turn_is_raised_and_nothing_is_written(ring: Ring, out: int) -> None:
    lost = Event()
    writer = LineWriter(out, RingTurns(ring.places[1], is_first=False, lose=lost.set), AHEAD)
    writer.write(b"x" * (AHEAD + 1), ends_block=True)
    ring.close(but=[ring.places[1].previous])
    with pytest.raises(TurnLostError):
        writer.write(b"y", ends_block=True)
    with pytest.raises(TurnLostError):
        writer.finish()
    assert lost.is_set()
    assert read_all(out) == b""


def test_the_turn_may_go_to_a_member_that_has_ended(ring: Ring, out: int) -> None:
    writer = LineWriter(out, RingTurns(ring.places[0], is_first=True), AHEAD)
    ring.close(but=[ring.places[0].following])
    writer.write(b"x", ends_block=True)
    writer.finish()
    assert read_all(out) == b"x\n"


def test_a_writer_that_ends_the_run_keeps_the_turn_that_it_waits_for(ring: Ring, out: int) -> None:
    first, second = (
        LineWriter(out, RingTurns(place, is_first=not number), AHEAD)
        for number, place in enumerate(ring.places)
    )
    first.write(b"1", ends_block=True)
    second.finish(ends_run=True)
    assert read_all(out) == b"1\n"
    ring.close(but=[ring.places[0].previous])
    first.write(b"3", ends_block=True)
    with pytest.raises(TurnLostError):
        first.finish()
    assert read_all(out) == b"1\n"


def test_lines_that_are_given_up_are_not_written(ring: Ring, out: int) -> None:
    writer = LineWriter(out, RingTurns(ring.places[1], is_first=False), AHEAD)
    writer.write(b"x", ends_block=True)
    writer.give_up(waits=False)
    os.write(ring.places[0].following, b".")
    writer.finish()
    assert read_all(out) == b""
