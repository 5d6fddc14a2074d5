import io
import json
import logging

import pytest

from symbolon_server.telemetry.logs import EventLog, LogFormat, configure_logs
from tests.fixtures.logging_state import restored_logging

__all__ = ["restored_logging"]


pytestmark = pytest.mark.usefixtures("restored_logging")


def lines_of(log_format: LogFormat, level: str = "info") -> tuple[EventLog, io.StringIO]:
    stream = io.StringIO()
    configure_logs(stream, log_format, level)
    return EventLog("symbolon_server.tests"), stream


def test_a_text_line_has_time_level_event_and_fields() -> None:
    log, stream = lines_of(LogFormat.TEXT)
    log.info("ingest_ended", module="xul.pdb/44E4", seconds=1.5, bytes=7, cold=True, supplier=None)
    time, rest = stream.getvalue().split(" ", 1)
    assert time.endswith("Z")
    assert rest == (
        "info ingest_ended module=xul.pdb/44E4 seconds=1.5 bytes=7 cold=true supplier=null\n"
    )


def test_a_json_line_has_the_same_fields() -> None:
    log, stream = lines_of(LogFormat.JSON)
    log.warning("store_unreachable", seconds=0.25)
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "event": "store_unreachable",
        "logger": "symbolon_server.tests",
        "seconds": 0.25,
    }


@pytest.mark.parametrize("log_format", LogFormat)
@pytest.mark.parametrize(
    "hostile",
    ["two\nlines", "a=b c", 'quo"te', "bell\x07", "\u202egnp.exe", "\ud800", "\x9b31m", ""],
)
def test_no_value_can_break_a_line_or_forge_a_field(log_format: LogFormat, hostile: str) -> None:
    log, stream = lines_of(log_format)
    log.info("event", value=hostile)
    line = stream.getvalue()
    assert line.count("\n") == 1
    assert line.isascii()
    assert line.rstrip("\n").isprintable()
    assert json.dumps(hostile) in line


def test_a_very_long_value_is_cut() -> None:
    log, stream = lines_of(LogFormat.TEXT)
    log.info("event", value="x" * 100_000)
    assert len(stream.getvalue()) < 3_000


def test_an_exception_stays_on_its_line() -> None:
    log, stream = lines_of(LogFormat.JSON)
    try:
        raise RuntimeError("inside")
    except RuntimeError as error:
        log.error("call_failed", exception=error, request_id="12")
    assert stream.getvalue().count("\n") == 1
    line = json.loads(stream.getvalue())
    assert line["exception"] == "RuntimeError"
    assert "test_logs.py" in line["traceback"]


def test_warnings_of_other_packages_are_logged_in_the_same_format() -> None:
    _, stream = lines_of(LogFormat.JSON)
    logging.getLogger("somebody.else").info("not shown")
    logging.getLogger("somebody.else").warning("lost %s", "connection\n")
    assert json.loads(stream.getvalue())["event"] == "lost connection\n"


def test_the_level_applies_to_our_events() -> None:
    log, stream = lines_of(LogFormat.TEXT, "warning")
    log.info("not shown")
    assert stream.getvalue() == ""
