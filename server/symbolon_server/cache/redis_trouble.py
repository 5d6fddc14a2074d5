"""What a Redis server did wrong, in words that hold nothing of what it was asked.

Servers repeat commands in their errors, passwords included: where AUTH is renamed or unknown, the
answer is `unknown command 'AUTH', with args beginning with: 'user' 'password'`.
"""

import re

from redis import exceptions

_DESCRIPTIONS: tuple[tuple[type[exceptions.RedisError], str], ...] = (
    (exceptions.AuthenticationError, "it refuses the user or the password, or wants some"),
    (exceptions.NoPermissionError, "it does not allow this to its user"),
    (exceptions.OutOfMemoryError, "its maxmemory is used up"),
    (exceptions.ReadOnlyError, "it is a replica, which cannot be written to"),
    (exceptions.TimeoutError, "no answer in time"),
)
"""The first that fits."""

_QUOTED = re.compile(r"""\s*["'`].*""", re.DOTALL)


def describe_trouble(error: exceptions.RedisError) -> str:
    """Return one line for a person: up to what is quoted, where the words are the server's."""
    for kind, text in _DESCRIPTIONS:
        if isinstance(error, kind):
            return text
    if isinstance(error, exceptions.ResponseError):
        return _QUOTED.sub(" [...]", str(error))
    return str(error).removesuffix(".")
