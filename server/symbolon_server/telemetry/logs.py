"""Logs: one line per event on stderr, as `key=value` or as JSON.

All log records of the process, including those of other packages, use one of the two formatters
here. Values are escaped to printable ASCII, so that no value can break a line, forge another one or
change the text direction of a terminal.
"""

import json
import logging
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import TextIO

LogValue = str | int | float | bool | None

_OURS = "symbolon_server"
_FIELDS = "symbolon_fields"
_MAX_VALUE_CHARACTERS = 2_000


class LogFormat(Enum):
    """The format of log lines."""

    TEXT = "text"
    JSON = "json"


class EventLog:
    """Writes the events of one part of the server: a short fixed name and plain values.

    Never pass text from a caller as a value; a parsed module id is allowed.
    """

    def __init__(self, name: str) -> None:
        """Write to the logger `name`, usually the module's `__name__`."""
        self._logger = logging.getLogger(name)

    def debug(self, event: str, **fields: LogValue) -> None:
        """Write an event for developers only."""
        self._logger.debug(event, extra={_FIELDS: fields})

    def info(self, event: str, **fields: LogValue) -> None:
        """Write an event of normal operation."""
        self._logger.info(event, extra={_FIELDS: fields})

    def warning(self, event: str, **fields: LogValue) -> None:
        """Write an event that was handled, and may need attention."""
        self._logger.warning(event, extra={_FIELDS: fields})

    def error(
        self, event: str, *, exception: BaseException | None = None, **fields: LogValue
    ) -> None:
        """Write an event that needs attention, with the traceback of `exception`."""
        self._logger.error(event, extra={_FIELDS: fields}, exc_info=exception)


def configure_logs(stream: TextIO, log_format: LogFormat, level: str) -> None:
    """Log to `stream`: our events from `level` up, and warnings of other packages."""
    target = logging.StreamHandler(stream)
    target.setFormatter(JsonFormatter() if log_format is LogFormat.JSON else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [target]
    root.setLevel(logging.WARNING)
    logging.getLogger(_OURS).setLevel(level.upper())


class TextFormatter(logging.Formatter):
    """`2026-11-23T10:15:00.123Z info call_ended method=Symbolicate seconds=0.004`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of `key=value` pairs."""
        head = f"{_time(record)} {record.levelname.lower()} {_quoted(record.getMessage())}"
        pairs = [f"{name}={_quoted(value)}" for name, value in _fields(record).items()]
        return " ".join([head, *pairs])


class JsonFormatter(logging.Formatter):
    """One JSON object per line: `time`, `level`, `event`, `logger`, then the event's fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        line: dict[str, LogValue] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
        }
        return json.dumps(line | _fields(record))


def write_json_line(event: str, message: str) -> str:
    """Return a message as a JSON event, for output next to a JSON log."""
    return JsonFormatter().format(
        logging.makeLogRecord(
            {"name": _OURS, "levelname": "INFO", "msg": event, _FIELDS: {"message": message}}
        )
    )


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fields(record: logging.LogRecord) -> dict[str, LogValue]:
    given: Mapping[str, LogValue] = getattr(record, _FIELDS, {})
    fields = {name: _cut(value) for name, value in given.items()}
    if record.exc_info and record.exc_info[1] is not None:
        exception = record.exc_info[1]
        fields["exception"] = type(exception).__name__
        fields["traceback"] = "".join(traceback.format_exception(exception))
    return fields


def _cut(value: LogValue) -> LogValue:
    if isinstance(value, str) and len(value) > _MAX_VALUE_CHARACTERS:
        return value[:_MAX_VALUE_CHARACTERS] + "..."
    return value


def _quoted(value: LogValue) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    is_plain = value.isascii() and value.isprintable() and not set(value) & set(' ="\\')
    return value if value and is_plain else json.dumps(value)
