"""The tokens of callers, and their permissions.

    # name     permissions          hash of the token
    pipeline   symbolicate          sha256:<64 hex digits, printed by `symbolon-server hash-token`>
    operator   symbolicate,operate  sha256:<64 hex digits>

The file holds hashes only, so reading it does not give access. A fast hash is enough, because a
token is long and random, and necessary, because it is checked at each call.
"""

import hmac
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from pathlib import Path

from symbolon_server.rpc.calls.reloaded import Reloaded, UnusableFileError, read_file

LEAST_CHARACTERS = 20
"""Of a token: shorter ones can be guessed once their hash is known."""

_CHECK_SECONDS = 1.0
"""Shortest time between two checks of the file."""

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)
"""The syntax of a bearer token (RFC 6750)."""

_LINE = re.compile(r"(\S+)\s+(\S+)\s+sha256:([0-9a-f]{64})", re.ASCII)


class Permission(Enum):
    """What a token allows; the value is the word in the file."""

    SYMBOLICATE = "symbolicate"
    """Symbolicate stacks, and read the state of modules and servers."""

    OPERATE = "operate"
    """Invalidate and prefetch modules, for all servers."""


@dataclass(frozen=True, slots=True)
class Token:
    """One known token, by its hash."""

    name: str
    may: frozenset[Permission]
    digest: bytes = field(repr=False)


def hash_token(token: str) -> str:
    """Return the hash of a token for the file; raise `ValueError` for an invalid token."""
    if _TOKEN.fullmatch(token) is None:
        raise ValueError("a token may contain only letters, digits and -._~+/")
    if len(token) < LEAST_CHARACTERS:
        raise ValueError(f"a token needs at least {LEAST_CHARACTERS} characters, preferably random")
    return f"sha256:{sha256(token.encode()).hexdigest()}"


class Tokens:
    """The tokens in a file, reloaded when it changes."""

    def __init__(self, file: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the file; raise `UnusableFileError`."""
        self._reloaded = Reloaded([file], lambda: _read(file))
        self._clock = clock
        self._checked_at = clock()

    def __len__(self) -> int:
        """Return the number of tokens."""
        return len(self._reloaded.value)

    def read_again(self) -> None:
        """Reload the file, even if it seems unchanged."""
        self._reloaded.read_again()

    def find(self, token: str) -> Token | None:
        """Return the entry of a token, or None if it is unknown.

        All hashes are compared, each in constant time, so the duration reveals nothing.
        """
        now = self._clock()
        if now - self._checked_at >= _CHECK_SECONDS:
            self._checked_at = now
            self._reloaded.refresh()
        digest = sha256(token.encode(errors="replace")).digest()
        found = None
        for known in self._reloaded.value:
            if hmac.compare_digest(known.digest, digest):
                found = known
        return found


def _read(file: Path) -> tuple[Token, ...]:
    try:
        tokens = tuple(_parse(read_file(file).decode()))
    except UnicodeDecodeError:
        raise UnusableFileError(f"{file} is not UTF-8 text") from None
    except ValueError as error:
        raise UnusableFileError(f"{file}: {error}") from None
    if not tokens:
        raise UnusableFileError(f"{file} has no token, so every call would be refused")
    return tokens


def _parse(text: str) -> Iterator[Token]:
    """Yield the tokens; raise `ValueError`, whose text quotes nothing of the bad line."""
    seen: set[str | bytes] = set()
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        token = _parse_line(line, number)
        if not seen.isdisjoint({token.name, token.digest}):
            raise ValueError(f"line {number} repeats a name or a hash of another line")
        seen |= {token.name, token.digest}
        yield token


def _parse_line(line: str, number: int) -> Token:
    match = _LINE.fullmatch(line.strip())
    if match is None:
        raise ValueError(f"line {number} is not `name permissions sha256:hash`")
    try:
        may = frozenset(Permission(word) for word in match[2].split(","))
    except ValueError:
        words = " and ".join(permission.value for permission in Permission)
        raise ValueError(f"line {number} has an unknown permission: use {words}") from None
    return Token(match[1], may, bytes.fromhex(match[3]))
