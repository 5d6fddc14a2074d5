"""Write docs/reference.md from the code, or check that it is what would be written."""

import argparse
import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

from symbolon.command_line.arguments import make_parser as make_client_parser
from symbolon.command_line.parsers import EXIT_CODES
from symbolon_server.__main__ import make_parser as make_server_parser
from symbolon_server.settings import Group
from symbolon_server.settings.table import rows
from symbolon_server.suppliers.sources_file import SOURCE_KEYS
from symbolon_server.telemetry.metrics import all_metrics

ROOT = Path(__file__).resolve().parent.parent
SERVER = ROOT / "server/symbolon_server"
DOCUMENT = ROOT / "docs/reference.md"

HEAD = """\
# Reference

Settings, metrics, log events and commands. This page is generated from the code by
`make reference`; do not edit it. The calls and messages of the API are in [api.md](api.md).
"""

SETTINGS = """\
## Settings

`symbolon-server` reads each setting from an environment variable or from the flag of the same
name: `SYMBOLON_MEMORY_BYTES=1GiB` is `--memory-bytes 1GiB`. A flag takes precedence over its
variable, and an empty variable counts as unset. Settings that are true or false have the flags
`--NAME` and `--no-NAME`.

* Sizes accept the units `KiB`, `MiB` and `GiB`. Durations are in seconds.
* URLs that may contain a password (those with an `@` or a `?`) are accepted in variables only,
  because all users of a machine can read the flags of its processes.
* `symbolon-server check` reports every setting that is invalid, and every `SYMBOLON_` variable that
  names no setting.
"""

SOURCES_FILE = """\
## Sources file

An entry of `SYMBOLON_SUPPLIERS` that ends in `.toml` names a file with a table `[[source]]` for
each supplier, see [sources](sources.md). Unknown keys are refused.
"""

METRICS = """\
## Metrics

With `SYMBOLON_METRICS_LISTEN` set, a server serves Prometheus metrics over HTTP, summed over its
serving processes and its local worker. A separate worker serves its own metrics on its own address.
The endpoint has no access control. It also answers [probes](operating.md#health).

Suppliers and ingests are counted in workers. An ingest that is killed or runs out of time is
counted in `symbolon_ingests_total`; what it had fetched by then appears in no metric.
[monitoring/](../monitoring/README.md) has a dashboard and alert rules.
"""

LOGS = """\
## Logs

Servers and workers log to standard error, one line per event. With `SYMBOLON_LOG_FORMAT=json` each
line is a JSON object, as is the line on standard output that announces a ready server. All values
are escaped to printable ASCII, so that an event is always exactly one line.

Calls are logged only with `SYMBOLON_LOG_CALLS=true`; a call that fails because of a defect in the
server is always logged (`call_failed`). Each call has a request id: the caller's own, from the
metadata `x-request-id` (up to 128 letters, digits and `._:/+=@-`), or a new one. A failed call
returns its request id in the trailing metadata of the same name, so that you can find it in the
log.
"""

EVENTS = {
    "announcements_lost": "The subscription to the cache was lost. Until it is back, the server "
    "polls for invalidations and finished ingests.",
    "cache_unavailable": "A worker could not reach the cache. It retries.",
    "cache_unreachable": "A worker cannot start yet because the cache does not answer or is a "
    "replica. It retries; logged once per cause.",
    "call_ended": "A call ended. Logged only with `SYMBOLON_LOG_CALLS=true`.",
    "call_failed": "A call failed because of a defect in the server. Please report it.",
    "child_killed": "A process that the server started did not stop in time and was killed.",
    "child_restarted": "A process that the server started has ended and was started again.",
    "collector_back": "The collector of traces takes spans again.",
    "collector_lost": "The collector does not take spans; logged once. Those that do not fit into "
    "memory until it does are lost, and counted in `symbolon_spans_total`.",
    "embedded_redis_ended": "An embedded Redis server has ended. The server stops.",
    "file_not_reloaded": "A certificate or token file has changed and is invalid. The previous "
    "contents stay in use.",
    "files_reloaded": "Certificates or tokens were reloaded.",
    "foreign_job_dropped": "An entry of the queue was not a module id and was removed.",
    "ingest_ended": "An ingest ended, with its outcome, duration and peak memory.",
    "ingest_process_crashed": "A defect in the process of an ingest. Please report it.",
    "ingest_process_not_started": "The system refused a process or a pipe for an ingest. The "
    "worker gives the job back and tries again.",
    "invalidations_put_back": "The cache had lost its log of invalidations. The server has "
    "restored the entries that it knew.",
    "lease_lost": "A worker held a module longer than its lease. Another worker may "
    "ingest it, too.",
    "message_not_taken": "A defect while the message of a call was received. Please report it.",
    "metrics_served": "The metrics endpoint is up.",
    "no_suppliers": "`SYMBOLON_SUPPLIERS` is empty: every module will be missing.",
    "redis_back": "A Redis server answers again.",
    "redis_lost": "A Redis server failed or timed out. It is left alone for a second at a time.",
    "redis_refused": "A Redis user lacks a permission; logged once per permission. See "
    "[Permissions](../redis/README.md#permissions).",
    "requests_refused": "The HTTP gateway has refused `count` requests since the last such line, "
    "because `limit` were in progress; logged once a minute.",
    "signal_ignored": "A signal arrived that has no effect.",
    "stopped": "The server has stopped.",
    "stopping": "The server refuses new calls and finishes those in flight.",
    "store_too_small": "The store evicts pages before they are read; logged once. Raise its "
    "`maxmemory`.",
    "supplier_left_alone": "A supplier failed. No worker asks it for these seconds.",
    "thread_failing": "A background thread keeps failing. Health becomes `NOT_SERVING`.",
    "thread_failed": "An unexpected error in a background thread, which goes on. Logged once per "
    "place.",
    "thread_recovered": "A background thread that kept failing works again.",
    "unknown_setting": "A `SYMBOLON_` variable names no setting; `likely` is the closest one.",
    "worker_ready": "The worker takes jobs.",
}
"""What each event tells an operator; a new event in the code needs an entry here."""

COMMANDS = f"""\
## Commands

`symbolon` comes with the client, `symbolon-server` with the extra `server`; `--version` prints the
version of each. [The command line](command-line.md) shows `symbolon` at work. Its exit codes:

```
{EXIT_CODES.partition(chr(10))[2].rstrip()}
```
"""

_CONNECTION = "connection"
"""The group of flags that all commands of the client have."""

_LEVELS = ("debug", "info", "warning", "error")


def main() -> int:
    """Return the exit code: 1 if `--check` finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 if stale")
    if not parser.parse_args().check:
        DOCUMENT.write_text(write_reference(), encoding="utf-8")
        return 0
    if DOCUMENT.read_text(encoding="utf-8") != write_reference():
        print("docs/reference.md is stale: run 'make reference'", file=sys.stderr)
        return 1
    return 0


def write_reference() -> str:
    """Return the text of the document."""
    parts = (HEAD, SETTINGS, *_settings(), METRICS, *_metrics(), LOGS, *_events())
    lines = (*parts, COMMANDS, *_program(make_client_parser()), *_program(make_server_parser()))
    return "\n".join(lines).rstrip() + "\n"


def _settings() -> Iterator[str]:
    """Yield a table of each group of settings."""
    for group in Group:
        yield f"### {group.value}\n"
        yield from _head("setting", "value", "default", "meaning")
        for row in rows():
            if row.group is group:
                value = row.kind.expected
                yield _row(f"`{row.variable}`", value, row.default_text, row.help)
        yield ""
    yield from (SOURCES_FILE, *_head("key", "value", "for", "meaning"))
    for name, key in SOURCE_KEYS.items():
        yield _row(f"`{name}`", key.expected, "URLs" if key.is_for_urls else "both", key.meaning)
    yield ""


def _metrics() -> Iterator[str]:
    """Yield the table of metrics."""
    yield from _head("metric", "type", "labels", "meaning")
    for metric in all_metrics():
        yield _metric(metric)
    yield ""


def _metric(metric: MetricWrapperBase) -> str:
    (family,) = metric.describe()
    name = f"{family.name}_total" if family.type == "counter" else family.name
    labels = ", ".join(f"`{label}`" for label in metric._labelnames)  # noqa: SLF001 # not public
    return _row(f"`{name}`", family.type, labels, family.documentation)


@dataclass(frozen=True, slots=True, order=True)
class _Event:
    name: str
    level: str
    fields: tuple[str, ...]


def _events() -> Iterator[str]:
    """Yield the table of events; raise `SystemExit` if `EVENTS` is not up to date."""
    events = sorted({event for file in SERVER.rglob("*.py") for event in _events_in(file)})
    difference = {event.name for event in events} ^ EVENTS.keys()
    if difference:
        sys.exit(f"EVENTS in scripts/reference.py needs an update: {', '.join(sorted(difference))}")
    yield from _head("event", "level", "fields", "meaning")
    for event in events:
        fields = ", ".join(f"`{field}`" for field in event.fields)
        yield _row(f"`{event.name}`", event.level, fields, EVENTS[event.name])
    yield ""


def _events_in(file: Path) -> Iterator[_Event]:
    """Yield the events that a file logs: `_log.warning("redis_lost", server=…)`."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="_log"), attr=level),
                args=[ast.Constant(value=str() as name)],
                keywords=keywords,
            ) if level in _LEVELS:
                yield _Event(name, level, tuple(keyword.arg or "" for keyword in keywords))


def _program(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield a section for each command of a program, and one for what all of them share."""
    (commands,) = (
        action
        for action in parser._actions  # noqa: SLF001 # argparse has no public list of them
        if isinstance(action, argparse._SubParsersAction)  # noqa: SLF001 # nor a name for these
    )
    shared: dict[str, None] = {}
    for command in commands.choices.values():
        yield from _command(command, shared)
    if shared:
        yield f"### {_CONNECTION.capitalize()}\n"
        yield "All commands that call a server have these flags.\n"
        yield from (*_head("argument", "meaning"), *shared, "")


def _command(command: argparse.ArgumentParser, shared: dict[str, None]) -> Iterator[str]:
    """Yield what a command does and its own arguments; put those of connections into `shared`."""
    yield f"### {command.prog}\n"
    yield f"{command.description}\n"
    groups = {group.value for group in Group}
    sections = command._action_groups  # noqa: SLF001 # argparse has no public list of them
    own: list[str] = []
    settings: list[str] = []
    for section in sections:
        title = section.title or ""
        if title in groups:
            settings.append(f"[{title}](#{title.lower().replace(' ', '-')})")
        elif title == _CONNECTION:
            shared.update(dict.fromkeys(_arguments(section, command.prog)))
        else:
            own += _arguments(section, command.prog)
    if own:
        yield from (*_head("argument", "meaning"), *own, "")
    if settings:
        yield f"Its flags are the settings of {', '.join(settings)}.\n"


def _arguments(section: "argparse._ArgumentGroup", program: str) -> Iterator[str]:
    """Yield a row for each argument of a section but `--help`."""
    for action in section._group_actions:  # noqa: SLF001 # argparse has no public list of them
        if "--help" not in action.option_strings:
            text = (action.help or "") % {**vars(action), "prog": program}
            yield _row(f"`{_usage(action)}`", text)


def _usage(action: argparse.Action) -> str:
    """Return how an argument is written: `--target ADDRESS`."""
    choices = "{" + ",".join(map(str, action.choices)) + "}" if action.choices else ""
    value = str(action.metavar or choices or action.dest.upper())
    if not action.option_strings:
        return value
    names = ", ".join(action.option_strings)
    if action.nargs == 0:
        return names
    return f"{names} [{value}]" if action.nargs == "?" else f"{names} {value}"


def _head(*columns: str) -> Iterable[str]:
    return (f"| {' | '.join(columns)} |", "|---" * len(columns) + "|")


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    sys.exit(main())
