"""What a Redis server did wrong, in words that hold nothing of what it was asked.

Servers repeat commands in their errors, passwords included: where AUTH is renamed or unknown, the
answer is `unknown command 'AUTH', with args beginning with: 'user' 'password'`.
"""

import re

from redis import exceptions


class NoPrimaryError(exceptions.TimeoutError):
    """No Sentinel names a primary, after each had its time; its text is ours.

    Not tried again at once, as after any timeout: each Sentinel was asked.
    """


_DESCRIPTIONS: tuple[tuple[type[exceptions.RedisError], str], ...] = (
    (exceptions.AuthenticationError, "it refuses the user or the password, or wants some"),
    (exceptions.OutOfMemoryError, "its maxmemory is used up"),
    (exceptions.ReadOnlyError, "it is a replica, which cannot be written to"),
    (exceptions.TimeoutError, "no answer in time"),
)
"""The first that fits."""

_COMMAND = re.compile(r"to run the '([a-z|]+)' command")
_IN_SCRIPT = re.compile("ACL failure in script|user executing the script can't")
_UNNAMED_COMMAND = "run this command"
"""What versions before 7.2 say of scripts."""

_QUOTED = re.compile(r"""\s*["'`].*""", re.DOTALL)


def describe_trouble(error: exceptions.RedisError) -> str:
    """Return one line for a person: up to what is quoted, where the words are the server's."""
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
    """Return what a user is not allowed, without its name; None for other errors."""
    text = str(error)
    if not isinstance(error, exceptions.NoPermissionError) and not _IN_SCRIPT.search(text):
        return None
    what = "a key or channel"
    if command := _COMMAND.search(text):
        what = f"the command {command[1].upper()}"
    elif _UNNAMED_COMMAND in text:
        what = "a command of a script"
    return f"it does not allow {what} to its user"
