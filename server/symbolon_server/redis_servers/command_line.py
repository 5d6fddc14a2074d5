"""Opens a Redis command line on the store or the cache.

    python -m symbolon_server.redis_servers.command_line store|cache [COMMAND ...]

Runs `redis-cli` or `valkey-cli` if one of them is on the PATH. Otherwise a minimal prompt reads
commands and prints replies without quotes or numbers, one value a line.
"""

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import redis

from symbolon_server.redis_servers.cluster import ClusterUrl
from symbolon_server.redis_servers.embedded import default_run_folder, find_listed_servers
from symbolon_server.redis_servers.redis_trouble import NoPrimaryError
from symbolon_server.redis_servers.sentinels import SentinelUrl, sentinels_of
from symbolon_server.redis_servers.servers import Timeouts, connect

_PATIENT = Timeouts(connect_seconds=2.0, answer_seconds=60.0)
"""For slow commands, such as `keys *`."""

_TLS_ARGUMENTS = {"ssl_ca_certs": "--cacert", "ssl_certfile": "--cert", "ssl_keyfile": "--key"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m symbolon_server.redis_servers.command_line", description=__doc__
    )
    parser.add_argument("role", choices=["store", "cache"])
    parser.add_argument("command", nargs=argparse.REMAINDER, help="a command, such as: dbsize")
    options = parser.parse_args(arguments)
    variable = f"SYMBOLON_{options.role.upper()}_URL"
    url = os.environ.get(variable, "embedded")
    if url == "embedded":
        url = next(iter(find_listed_servers(default_run_folder(), options.role)), "")
    if not url:
        sys.stderr.write(
            f"No embedded {options.role} is running on this machine. Start the server "
            f"(`make run`), or set {variable}.\n"
        )
        return 1
    try:
        cluster = ClusterUrl.parse(url) if options.role == "store" else None
        url = _find_primary(url) if cluster is None else cluster.url_of(cluster.nodes[0])
        client = connect(url, _PATIENT)
    except (ValueError, NoPrimaryError) as error:
        sys.stderr.write(f"{variable}: {error}\n")
        return 1
    if program := shutil.which("redis-cli") or shutil.which("valkey-cli"):
        follows = [] if cluster is None else ["-c"]
        _become(program, urlsplit(url), [*follows, *options.command])
    with client:
        if options.command:
            return int(not run_command(client, options.command))
        return run_prompt(client, f"{options.role}> ")


def _find_primary(url: str) -> str:
    """Return the URL of the primary if `url` names Sentinels, else `url`."""
    with connect(url) as client:
        sentinels, parsed = sentinels_of(client), SentinelUrl.parse(url)
        if sentinels is None or parsed is None:
            return url
        return parsed.url_of(sentinels.discover_master(parsed.name))


def _become(program: str, parts: SplitResult, command: Sequence[str]) -> None:
    """Replace this process with `program`.

    The password is passed in the environment: any user can read the arguments of a process.
    """
    environment = dict(os.environ)
    if parts.password:
        environment["REDISCLI_AUTH"] = unquote(parts.password)
    arguments = [program, *_connection_arguments(parts), *command]
    os.execve(program, arguments, environment)  # noqa: S606 - the operator's own program


def _connection_arguments(parts: SplitResult) -> Iterator[str]:
    query = parse_qs(parts.query)
    if parts.username:
        yield from ("--user", unquote(parts.username))
    if parts.scheme == "unix":
        yield from ("-s", unquote(parts.path), "-n", query.get("db", ["0"])[0])
        return
    if parts.scheme == "rediss":
        yield "--tls"
        for option, argument in _TLS_ARGUMENTS.items():
            for file in query.get(option, ())[:1]:
                yield from (argument, file)
    yield from ("-h", parts.hostname or "localhost", "-p", str(parts.port or 6379))
    yield from ("-n", parts.path.strip("/") or "0")


def run_prompt(client: redis.Redis, prompt: str) -> int:
    """Run the commands on standard input, one a line; return 1 if any of them failed."""
    succeeded = True
    for line in _typed_lines(prompt) if sys.stdin.isatty() else sys.stdin:
        try:
            words = shlex.split(line)
        except ValueError as error:
            sys.stdout.write(f"(error) {error}\n")
            succeeded = False
            continue
        if words and words[0].lower() in {"exit", "quit"}:
            break
        if words:
            succeeded &= run_command(client, words)
    return int(not succeeded)


def _typed_lines(prompt: str) -> Iterator[str]:
    with suppress(ImportError):
        import readline  # noqa: F401, PLC0415 - gives `input` a history, where it is available
    with suppress(EOFError, KeyboardInterrupt):
        while True:
            yield input(prompt)


def run_command(client: redis.Redis, words: Sequence[str]) -> bool:
    """Send one command and print its reply; return whether it succeeded."""
    pool = client.connection_pool
    try:
        connection: Any = pool.get_connection()
        try:  # not by the client's methods, which would reshape the reply
            connection.send_command(*words)
            lines = list(_format(connection.read_response()))
        finally:
            pool.release(connection)
    except redis.RedisError as error:
        sys.stdout.write(f"(error) {error}\n")
        return False
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()
    return True


def _format(reply: object) -> Iterator[str]:
    if isinstance(reply, list):
        for item in reply:
            yield from _format(item)
    elif isinstance(reply, bytes):
        yield reply.decode(errors="backslashreplace")
    else:
        yield "" if reply is None else str(reply)


if __name__ == "__main__":
    sys.exit(main())
