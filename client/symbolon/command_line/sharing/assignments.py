"""What the first member tells another when it starts it, and what it hears from it."""

from __future__ import annotations

import json
from dataclasses import asdict, astuple, dataclass
from multiprocessing.connection import Connection
from typing import Any

from symbolon import errors
from symbolon._batching.progress import Progress
from symbolon.errors import SymbolonError


@dataclass(frozen=True, slots=True)
class Assignment:
    """Which lines a member answers, and the descriptors that it needs for that."""

    member: int
    members: int

    input: int
    size: int
    """How many bytes of the input are read."""

    output: int
    output_name: str
    lines: int
    """How many lines the output had before."""

    previous: int
    following: int
    """As in `RingPlace`."""

    news: int
    """Where the member sends its news."""

    def write(self) -> str:
        """Return it as an argument of a command."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, argument: str) -> Assignment:
        """Return what was written."""
        return cls(**json.loads(argument))

    @property
    def descriptors(self) -> tuple[int, ...]:
        """All of them."""
        return (self.input, self.output, self.previous, self.following, self.news)


@dataclass(frozen=True, slots=True)
class Done:
    """The last news of a member whose lines are all written."""

    is_partly_refused: bool


@dataclass(frozen=True, slots=True)
class Failed:
    """The last news of a member that ends early."""

    error: Exception


News = Progress | Done | Failed


def send(connection: Connection, news: News) -> None:
    """Send news to the first member."""
    connection.send_bytes(json.dumps([type(news).__name__, *_write(news)]).encode())


def receive(connection: Connection) -> News:
    """Return the next news of a member; raise `EOFError` when it has ended."""
    kind, *values = json.loads(connection.recv_bytes())
    if kind == Failed.__name__:
        return Failed(_read_error(*values))
    return Done(*values) if kind == Done.__name__ else Progress(*values)


def _write(news: News) -> tuple[Any, ...]:
    if isinstance(news, Failed):
        return type(news.error).__name__, str(news.error)
    return astuple(news)


def _read_error(name: str, text: str) -> Exception:
    """Return an error as it was raised, but for what its text does not say."""
    if name == BrokenPipeError.__name__:
        return BrokenPipeError()
    kind: type[SymbolonError] = getattr(errors, name, SymbolonError)
    return kind.__new__(kind, text)
