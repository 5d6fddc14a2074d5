"""The command line of the server: `symbolon-server serve|worker|symbolicate|check|hash-token`."""

import argparse
import getpass
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from symbolon.command_line.commands import symbolicate_flags
from symbolon_server import code_form
from symbolon_server.app import StartError
from symbolon_server.app.process.collector import pause_collector
from symbolon_server.app.process.heap import keep_freed_memory
from symbolon_server.app.process.umask import PRIVATE_UMASK
from symbolon_server.settings import (
    INGEST_GROUPS,
    Group,
    InvalidSettingsError,
    Settings,
    add_flags,
    find_likely_name,
    read_settings,
    unknown_variables,
)
from symbolon_server.telemetry.ignored_signals import ignore_until_ready
from symbolon_server.telemetry.logs import EventLog, LogFormat, configure_logs, write_json_line

_CANNOT_START = 1
_WRONG_SETTINGS = 2

_log = EventLog(__name__)

_DESCRIPTION = """\
Turns (module, offset) pairs of crash stacks into functions, source lines and inline
frames, over gRPC.

Each setting is a flag or an environment variable: --memory-bytes 1GiB is
SYMBOLON_MEMORY_BYTES=1GiB. Flags override variables. Sizes take KiB, MiB and GiB;
durations are in seconds. URLs that may contain a password (with an @ or a ?) must be given
in variables: all users of a machine can read flags.
"""


@dataclass(frozen=True, slots=True)
class _Command:
    run: Callable[[Settings, argparse.Namespace], int]
    summary: str
    description: str
    groups: Iterable[Group]
    add_flags: Callable[[argparse.ArgumentParser], None] | None = None
    """Adds flags that are no settings."""

    variables: Mapping[str, str] = field(default_factory=dict)
    """Defaults of its own, overridden by the environment."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    options = make_parser().parse_args(arguments)
    command = _COMMANDS[options.command]
    try:
        settings = read_settings(vars(options), {**command.variables, **os.environ})
        configure_logs(sys.stderr, LogFormat(settings.log_format), settings.log_level)
        return command.run(settings, options)
    except InvalidSettingsError as error:
        return _complain(error.problems, _WRONG_SETTINGS)
    except StartError as error:
        return _complain(error.problems, _CANNOT_START)


def _begin() -> None:
    """Set up a long-running program, and all programs that it starts."""
    pause_collector()
    os.umask(PRIVATE_UMASK)
    ignore_until_ready()


def _warn_of_unknown() -> None:
    """Log the variables that name no setting, each with the setting that is probably meant."""
    for name in unknown_variables(os.environ):
        _log.warning("unknown_setting", name=name, likely=find_likely_name(name))


def _serve(settings: Settings, _options: argparse.Namespace) -> int:
    _begin()
    keep_freed_memory()  # before anything is imported that starts threads
    from symbolon_server.app.programs.serve_command import serve  # noqa: PLC0415 # see `_work`

    _warn_of_unknown()
    return serve(settings, lambda line: _announce(line, LogFormat(settings.log_format)))


def _announce(line: str, log_format: LogFormat) -> None:
    """Print that the server is ready, in the format of the log: both may be read together."""
    if log_format is LogFormat.JSON:
        line = write_json_line("ready", message=line)
    print(line, flush=True)


def _work(settings: Settings, _options: argparse.Namespace) -> int:
    _begin()
    # Imported here: a worker forks, and a process that has loaded gRPC must not.
    from symbolon_server.app.programs.worker_command import work  # noqa: PLC0415 # see above

    _warn_of_unknown()
    work(settings)
    return 0


def _symbolicate(settings: Settings, options: argparse.Namespace) -> int:
    from symbolon_server.app.programs.symbolicate_command import (  # noqa: PLC0415 # see `_work`
        symbolicate,
    )

    _warn_of_unknown()
    return symbolicate(settings, options)


def _add_reports(parser: argparse.ArgumentParser) -> None:
    symbolicate_flags.add_flags(parser, longest_wait="until all are")


def _check(settings: Settings, _options: argparse.Namespace) -> int:
    pause_collector()  # and for good: it ends soon
    from symbolon_server.app.programs.check_command import Verdict, check  # noqa: PLC0415 # see `_work`

    anything_wrong = False
    for finding in check(settings, os.environ):
        _print_finding(str(finding))
        anything_wrong = anything_wrong or finding.verdict is Verdict.WRONG
    return int(anything_wrong)


def _print_finding(line: str) -> None:
    try:
        print(line, flush=True)
    except BrokenPipeError:
        # The reader, such as `head`, has left: the exit code still says what all findings are.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _hash_token(_settings: Settings, _options: argparse.Namespace) -> int:
    from symbolon_server.rpc.access.tokens import hash_token  # noqa: PLC0415 # see `_work`

    token = getpass.getpass("Token: ") if sys.stdin.isatty() else sys.stdin.readline()
    try:
        print(hash_token(token.strip()))
    except ValueError as error:
        return _complain([str(error)], _WRONG_SETTINGS)
    return 0


_COMMANDS = {
    "serve": _Command(
        _serve,
        "serve gRPC",
        "Serves gRPC until SIGTERM or SIGINT. Without Redis URLs it also starts two embedded "
        "Redis servers and a worker.",
        Group,
    ),
    "worker": _Command(
        _work,
        "ingest symbol files",
        "Takes ingests from the queue until SIGTERM or SIGINT. Any number of workers, on any "
        "machines, can share the two Redis servers.",
        (Group.REDIS, *INGEST_GROUPS, Group.WATCHING),
    ),
    "symbolicate": _Command(
        _symbolicate,
        "symbolicate the stacks of crash reports without a running server",
        "Symbolicates crash reports as `symbolon symbolicate` does, by a server of its own that "
        "ends with it. What it fetched stays in the spool. Of the settings that are no flags here "
        "only those of the log apply; the log level is `warning` by default. The exit codes are "
        "those of `symbolon`, and 143 after SIGTERM.",
        INGEST_GROUPS,
        _add_reports,
        {"SYMBOLON_LOG_LEVEL": "warning"},
    ),
    "check": _Command(
        _check,
        "check settings, Redis servers and suppliers",
        "Checks settings, both Redis servers, suppliers and folders, and reports problems with "
        "their fixes. The exit code is 1 if anything is wrong.",
        Group,
    ),
    "hash-token": _Command(
        _hash_token,
        "print the hash of a token for SYMBOLON_AUTH_TOKENS_FILE",
        "Reads a token from standard input and prints its hash, for a line `name permissions "
        "hash` of SYMBOLON_AUTH_TOKENS_FILE. Permissions are symbolicate, operate or both, "
        "separated by a comma. `openssl rand -hex 32` creates a good token.",
        (),
    ),
}


class _ShowVersion(argparse.Action):
    """Prints the version on demand: reading it takes as long as parsing all flags."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from symbolon_server.telemetry.software import software_version  # noqa: PLC0415 # see above

        print(f"symbolon-server {software_version()} ({code_form()})")
        parser.exit()


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; `command` names the one given."""
    parser = argparse.ArgumentParser(
        prog="symbolon-server",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action=_ShowVersion, nargs=0, help="show program's version number and exit"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in _COMMANDS.items():
        flags = commands.add_parser(
            name, help=command.summary, description=command.description, allow_abbrev=False
        )
        if command.add_flags is not None:
            command.add_flags(flags)
        add_flags(flags, command.groups)
    return parser


def _complain(problems: Sequence[str], exit_code: int) -> int:
    for problem in problems:
        print(f"symbolon-server: {problem}", file=sys.stderr)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
