"""The tokens that callers are known by, and what each may do.

    # name     may                  hash of the token
    pipeline   symbolicate          sha256:<64 hex digits, as `symbolon-server hash-token` says>
    operator   symbolicate,operate  sha256:<64 hex digits>

The file holds hashes only, so that whoever reads it is not let in. They are quick ones: a token
is long and random, and is looked up at each call.
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
"""Of a token: shorter ones can be found by trying, once their hash is known."""

_LOOK_SECONDS = 1.0
"""How often the file is looked at, at most."""

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)
"""What HTTP lets a bearer token be."""

_LINE = re.compile(r"(\S+)\s+(\S+)\s+sha256:([0-9a-f]{64})", re.ASCII)


class Permission(Enum):
    """What a token may be good for; the value is how the file writes it."""

    SYMBOLICATE = "symbolicate"
    """To ask: for stacks, modules, and how the servers are."""

    OPERATE = "operate"
    """To make all servers forget, or fetch."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token that the server knows, but for the token itself."""

    name: str
    may: frozenset[Permission]
    digest: bytes = field(repr=False)


def hash_token(token: str) -> str:
    """Return what stands for a token in the file; raise `ValueError` for one that is no good."""
    if _TOKEN.fullmatch(token) is None:
        raise ValueError("a token is made of letters, digits and -._~+/ alone")
    if len(token) < LEAST_CHARACTERS:
        raise ValueError(f"a token has {LEAST_CHARACTERS} characters at least, best at random")
    return f"sha256:{sha256(token.encode()).hexdigest()}"


class Tokens:
    """The tokens in a file, which may change at any time."""

    def __init__(self, file: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the file; raise `UnusableFileError`."""
        self._reloaded = Reloaded([file], lambda: _read(file))
        self._clock = clock
        self._looked_at = clock()

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._reloaded.value)

    def read_again(self) -> None:
        """Read the file, also if it seems to be what it was."""
        self._reloaded.read_again()

    def find(self, token: str) -> Token | None:
        """Return what is known of a token, None for a strange one.

        All are compared, each in constant time: how long that takes tells nothing.
        """
        now = self._clock()
        if now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = now
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
        raise UnusableFileError(f"{file} is no text") from None
    except ValueError as error:
        raise UnusableFileError(f"{file}: {error}") from None
    if not tokens:
        raise UnusableFileError(f"{file} has no token, so that nobody could call")
    return tokens


def _parse(text: str) -> Iterator[Token]:
    """Yield the tokens; raise `ValueError` with a text that holds nothing of a bad line."""
    seen: set[str | bytes] = set()
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        token = _parse_line(line, number)
        if not seen.isdisjoint({token.name, token.digest}):
            raise ValueError(f"line {number} has a name or a hash that another line has")
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
        raise ValueError(f"line {number} gives a permission that is none: {words} are") from None
    return Token(match[1], may, bytes.fromhex(match[3]))
