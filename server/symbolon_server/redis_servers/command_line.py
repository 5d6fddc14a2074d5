"""A Redis command line on the store or the cache.

    python -m symbolon_server.redis_servers.command_line store|cache [COMMAND ...]

Runs `redis-cli` or `valkey-cli` when there is one, else a small one of its own.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from symbolon_server.redis_servers.command_prompt import run_command, run_prompt
from symbolon_server.redis_servers.redis_trouble import NoPrimaryError
from symbolon_server.redis_servers.running_servers import default_run_folder, find_listed_servers
from symbolon_server.redis_servers.sentinels import SentinelUrl, sentinels_of
from symbolon_server.redis_servers.servers import InvalidRedisUrlError, Timeouts, connect

EMBEDDED = "embedded"
"""The value of a URL's setting that means a server of our own."""

_PATIENT = Timeouts(connect_seconds=2.0, answer_seconds=60.0)
"""A person may ask for what takes long, such as `keys *`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m symbolon_server.redis_servers.command_line", description=__doc__
    )
    parser.add_argument("role", choices=["store", "cache"])
    parser.add_argument("command", nargs=argparse.REMAINDER, help="a command, such as: dbsize")
    asked = parser.parse_args(arguments)
    url = find_url(asked.role, default_run_folder())
    if url is None:
        sys.stderr.write(
            f"No {asked.role} is running here: start the server (`make run`), or give the URL "
            f"of one in SYMBOLON_{asked.role.upper()}_URL.\n"
        )
        return 1
    try:
        url = find_primary(url)
        client = connect(url, _PATIENT)
    except (InvalidRedisUrlError, NoPrimaryError) as error:
        sys.stderr.write(f"SYMBOLON_{asked.role.upper()}_URL: {error}\n")
        return 1
    program = find_program()
    if program is not None:
        _become(program, url, asked.command)
    with client:
        if asked.command:
            return run_command(client, asked.command, sys.stdout)
        return run_prompt(client, asked.role, sys.stdin, sys.stdout)


def find_url(role: str, run_folder: Path) -> str | None:
    """Return the URL of the store or the cache: from its setting, else of the one running here."""
    url = os.environ.get(f"SYMBOLON_{role.upper()}_URL", EMBEDDED)
    if url != EMBEDDED:
        return url
    return next(iter(find_listed_servers(run_folder, role)), None)


def find_primary(url: str) -> str:
    """Return the URL of the server itself, where the one given is of its Sentinels."""
    with connect(url) as client:
        sentinels, parsed = sentinels_of(client), SentinelUrl.parse(url)
        if sentinels is None or parsed is None:
            return url
        return parsed.url_of(sentinels.discover_master(parsed.name))


def find_program() -> str | None:
    """Return the path of a command line program of Redis or Valkey."""
    return shutil.which("redis-cli") or shutil.which("valkey-cli")


def _become(program: str, url: str, command: Sequence[str]) -> None:
    """Replace this process by the program.

    The password goes by the environment, because everybody can read the arguments of a process.
    """
    parts = urlsplit(url)
    environment = dict(os.environ)
    if parts.password:
        environment["REDISCLI_AUTH"] = unquote(parts.password)
    arguments = [program, *_connection_arguments(parts), *command]
    os.execve(program, arguments, environment)  # noqa: S606 - the operator's own program


def _connection_arguments(parts: SplitResult) -> Iterator[str]:
    if parts.username:
        yield from ("--user", unquote(parts.username))
    if parts.scheme == "unix":
        yield from ("-s", unquote(parts.path))
        database = parse_qs(parts.query).get("db", ["0"])[0]
    else:
        if parts.scheme == "rediss":
            yield "--tls"
            yield from _tls_arguments(parse_qs(parts.query))
        yield from ("-h", parts.hostname or "localhost", "-p", str(parts.port or 6379))
        database = parts.path.strip("/") or "0"
    yield from ("-n", database)


def _tls_arguments(query: Mapping[str, list[str]]) -> Iterator[str]:
    for option, argument in (
        ("ssl_ca_certs", "--cacert"),
        ("ssl_certfile", "--cert"),
        ("ssl_keyfile", "--key"),
    ):
        for file in query.get(option, ())[:1]:
            yield from (argument, file)


if __name__ == "__main__":
    sys.exit(main())
