"""Describes Redis errors without quoting commands.

Servers quote commands in their errors, including passwords: if AUTH is renamed or unknown, the
reply is `unknown command 'AUTH', with args beginning with: 'user' 'password'`.
"""

import re

from redis import exceptions


class NoPrimaryError(exceptions.TimeoutError):
    """No Sentinel names a primary; the text is ours, so it is safe to show.

    A timeout, so that it is not retried immediately: each Sentinel was asked.
    """


_DESCRIPTIONS: tuple[tuple[type[exceptions.RedisError], str], ...] = (
    (
        exceptions.AuthenticationError,
        "the user or password is wrong or missing",
    ),
    (exceptions.OutOfMemoryError, "its maxmemory is exhausted"),
    (exceptions.ReadOnlyError, "it is a read-only replica"),
    (exceptions.AskError, "it is one node of a cluster: use a redis+cluster:// URL"),
    (exceptions.TimeoutError, "timed out"),
)
"""The first match is used."""

_COMMAND = re.compile(r"to run the '([a-z|]+)' command")
_IN_SCRIPT = re.compile("ACL failure in script|user executing the script can't")
_UNNAMED_COMMAND = "run this command"
"""The error of scripts before version 7.2."""

_QUOTED = re.compile(r"""\s*["'`].*""", re.DOTALL)


def describe_trouble(error: exceptions.RedisError) -> str:
    """Return one line for humans, from a server's error only the text before any quotation."""
    if isinstance(error, NoPrimaryError):
        return str(error)
    for kind, text in _DESCRIPTIONS:
        if isinstance(error, kind):
            return text
    if refusal := describe_refusal(error):
        return refusal
    if isinstance(error, exceptions.ResponseError):
        return _QUOTED.sub(" [...]", str(error))
    return str(error).removesuffix(".")


def describe_refusal(error: exceptions.RedisError) -> str | None:
    """Return the missing permission, without the user's name; None for other errors."""
    text = str(error)
    if not isinstance(error, exceptions.NoPermissionError) and not _IN_SCRIPT.search(text):
        return None
    what = "a key or channel"
    if command := _COMMAND.search(text):
        what = f"the command {command[1].upper()}"
    elif _UNNAMED_COMMAND in text:
        what = "a command of a script"
    return f"its user has no permission for {what}"
