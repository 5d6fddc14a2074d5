"""The progress of a long run, on standard error."""

import sys

import pytest

from symbolon import Progress
from symbolon.command_line.showing.progress import ProgressLine, report_progress
from tests.fixtures.redis_fixtures import FakeClock


def test_a_line_is_written_at_intervals_and_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock(100.0)
    line = ProgressLine(1_000, lambda: 250, pause=10, stays=True, clock=clock)
    clock.now += 9
    line.tell(Progress(1, 0, 300))
    assert capsys.readouterr().err == ""
    clock.now += 1
    line.tell(Progress(2_000, 1, 600_000))
    assert capsys.readouterr().err == (
        "2,000 reports, 1 refused, 25 % of the input, 60,000 frames/s\n"
    )
    line.finish()
    assert capsys.readouterr().err.startswith("2,000 reports")


def test_on_a_terminal_the_line_is_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock(100.0)
    line = ProgressLine(0, lambda: 0, pause=0.2, stays=False, clock=clock)
    clock.now += 1
    line.tell(Progress(5, 0, 50))
    line.finish()
    assert capsys.readouterr().err == "\r\x1b[2K5 reports, 0 refused, 50 frames/s" * 2 + "\n"


def report_something(is_wanted: bool | None) -> None:
    with report_progress(1_000, lambda: 500, is_wanted=is_wanted) as tell:
        tell(Progress(7, 0, 70))


def test_without_a_terminal_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    report_something(is_wanted=None)
    report_something(is_wanted=False)
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    report_something(is_wanted=None)
    printed = capsys.readouterr().err
    assert "7 reports, 0 refused" in printed
    assert "50%" in printed


def test_a_terminal_without_rich_gets_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    report_something(is_wanted=None)
    assert "7 reports, 0 refused, 50 % of the input" in capsys.readouterr().err
