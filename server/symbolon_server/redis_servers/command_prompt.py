"""A small Redis command line for machines without `redis-cli`.

It prints replies as that does: numbered and quoted for a person, bare into a pipe.
"""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, TextIO

import redis
from redis.typing import EncodableT

_LEAVE = frozenset({"exit", "quit"})

_STATUSES = frozenset({b"OK", b"PONG", b"QUEUED"})
"""Shown without quotes; the client does not tell a status from a value."""


def run_command(client: redis.Redis, words: Sequence[str], output: TextIO) -> int:
    """Send one command and print its reply; return 1 when it is an error."""
    try:
        reply = ask(client, words)
    except redis.RedisError as error:
        output.write(f"(error) {_say(error)}\n")
        return 1
    lines = format_reply(reply) if output.isatty() else format_raw(reply)
    output.writelines(f"{line}\n" for line in lines)
    output.flush()
    return 0


def run_prompt(client: redis.Redis, name: str, commands: TextIO, output: TextIO) -> int:
    """Run commands line by line until they end; return 1 if any failed.

    Prompts and keeps a history of lines only where a person types.
    """
    failed = False
    for line in _typed_lines(f"{name}> ") if commands.isatty() else commands:
        try:
            words = shlex.split(line)
        except ValueError as error:
            output.write(f"(error) {error}\n")
            failed = True
            continue
        if words and words[0].lower() in _LEAVE:
            break
        if words:
            failed |= run_command(client, words, output) != 0
    return int(failed)


def ask(client: redis.Redis, words: Sequence[EncodableT]) -> object:
    """Return the reply as the server gave it; the client's own methods would reshape it."""
    connection: Any = client.connection_pool.get_connection()
    try:
        connection.send_command(*words)
        reply: object = connection.read_response()
    finally:
        client.connection_pool.release(connection)
    return reply


def format_reply(reply: object, indent: str = "") -> Iterator[str]:
    """Yield the lines that show a reply, numbered and quoted as `redis-cli` does."""
    if isinstance(reply, list):
        yield from _format_list(reply, indent)
    elif reply is None:
        yield "(nil)"
    elif isinstance(reply, int):
        yield f"(integer) {reply}"
    elif isinstance(reply, redis.RedisError):
        yield f"(error) {_say(reply)}"
    elif isinstance(reply, bytes):
        yield from _format_text(reply)
    else:
        yield str(reply)


def format_raw(reply: object) -> Iterator[str]:
    """Yield the lines that another program reads: bare values, one a line."""
    if isinstance(reply, list):
        for item in reply:
            yield from format_raw(item)
    elif isinstance(reply, bytes):
        yield reply.decode(errors="backslashreplace")
    else:
        yield "" if reply is None else str(reply)


def _format_list(items: list[object], indent: str) -> Iterator[str]:
    if not items:
        yield "(empty array)"
    width = len(str(len(items)))
    for number, item in enumerate(items, start=1):
        label = f"{number:>{width}}) "
        lines = format_reply(item, indent + " " * len(label))
        yield (indent if number > 1 else "") + label + next(lines)
        yield from lines


def _format_text(text: bytes) -> Iterator[str]:
    """Quote a text; one of several lines, such as the answer to INFO, is shown as it is."""
    if text in _STATUSES:
        yield text.decode()
        return
    if b"\n" in text:
        with suppress(UnicodeDecodeError):
            yield from text.decode().splitlines()
            return
    yield '"' + "".join(map(_escape, text.decode(errors="surrogateescape"))) + '"'


def _escape(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode(errors="surrogateescape"))


def _say(error: redis.RedisError) -> str:
    """Return the server's own words; redis-py takes the `ERR` off them."""
    return str(error)


def _typed_lines(prompt: str) -> Iterator[str]:
    with suppress(ImportError):
        import readline  # noqa: F401, PLC0415 - gives `input` its history, where there is one
    while True:
        try:
            yield input(prompt)
        except (EOFError, KeyboardInterrupt):
            return
