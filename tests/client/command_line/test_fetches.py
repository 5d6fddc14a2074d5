"""Which symbol files are fetched, on standard error, while a command waits for them."""

import pytest

from symbolon import Module, Queue
from symbolon.command_line.showing.fetches import FetchLine
from symbolon.results import RunningIngest
from tests.fixtures.redis_fixtures import FakeClock

ORCHARD = Module("orchard", "C3D8E3C7B6594DF1DFCA907993B477250")
NAME = "orchard/C3D8E3C7B6594DF1DFCA907993B477250"


def queue_of(*running: tuple[Module, float | None], awaited: int = 0) -> Queue:
    ingests = tuple(RunningIngest(module, "host:1", seconds, 1, "") for module, seconds in running)
    return Queue(awaited, 0, 0, None, ingests, len(ingests))


def test_on_a_terminal_one_line_is_overwritten_and_leaves_with_the_wait(
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = FetchLine(stays=False)
    with line.waiting():
        line.show(queue_of((ORCHARD, 2.4), awaited=3))
        line.show(queue_of((ORCHARD, 3.0)))
        line.show(queue_of((ORCHARD, 3.2)))
    assert capsys.readouterr().err == (
        f"\r\x1b[2Kfetching {NAME}, 2 s, 3 more to fetch\r\x1b[2Kfetching {NAME}, 3 s\r\x1b[2K"
    )


def test_between_two_files_the_line_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    line = FetchLine(stays=False)
    with line.waiting():
        line.show(queue_of((ORCHARD, None)))
        line.show(queue_of())
        line.show(queue_of())
    assert capsys.readouterr().err == f"\r\x1b[2Kfetching {NAME}\r\x1b[2K"


def test_elsewhere_each_file_has_a_line_and_another_every_ten_seconds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = FakeClock(100.0)
    line = FetchLine(stays=True, clock=clock)
    other = Module("other.pdb", "C3D8E3C7B6594DF1DFCA907993B477251")
    with line.waiting():
        line.show(queue_of((ORCHARD, 0.2), awaited=1))
        clock.now += 9
        line.show(queue_of((ORCHARD, 9.2), awaited=1))
        clock.now += 1
        line.show(queue_of((ORCHARD, 10.2), awaited=1))
        line.show(queue_of((other, 0.1)))
    assert capsys.readouterr().err.splitlines() == [
        f"fetching {NAME}, 0 s, 1 more to fetch",
        f"fetching {NAME}, 10 s, 1 more to fetch",
        "fetching other.pdb/C3D8E3C7B6594DF1DFCA907993B477251, 0 s",
    ]


def test_nothing_is_shown_while_answers_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    line = FetchLine(stays=False)
    line.show(queue_of((ORCHARD, 1.0)))
    with line.waiting():
        pass
    line.show(queue_of((ORCHARD, 1.0)))
    assert capsys.readouterr().err == ""


def test_a_line_is_no_wider_than_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    line = FetchLine(stays=False)
    with line.waiting():
        line.show(queue_of((Module("a\x1b[2J", "0" * 33), 1.0)))
    assert capsys.readouterr().err == "\r\x1b[2Kfetching a\ufffd[2J/0000\r\x1b[2K"
