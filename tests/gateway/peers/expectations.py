"""What a caller of Eliot or Tecken expects: a request, and its answer byte for byte."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.gateway.asking import V5
from tests.gateway.peers.modules import Entry


@dataclass(frozen=True, slots=True)
class Expectation:
    """One request and its answer."""

    name: str

    document: object
    """Sent as JSON; bytes are sent unchanged."""

    answer: object
    """The whole answer. Eliot writes its JSON as `json.dumps` does, and so does the gateway."""

    status: int = 200
    path: str = V5

    unlike: str = ""
    """Where a peer answers differently: the row of `docs/migration.md` that says so."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """An invalid part of a report. Eliot refuses the request; the gateway answers all the rest."""

    name: str
    document: dict[str, Any]

    words: str
    """How Eliot's title begins, and the gateway's with `?strict=1`."""

    @property
    def error(self) -> str:
        """How the first of the `errors` begins in the gateway's answer without `?strict=1`."""
        return self.words.partition(": ")[2]


def report(memory_map: Sequence[Any], *stacks: Sequence[Any]) -> dict[str, Any]:
    """Return one job."""
    return {"memoryMap": memory_map, "stacks": stacks}


def refusal(title: str) -> dict[str, str]:
    """Return the answer to a request that is refused."""
    return {"title": title}


def results(*each: dict[str, Any]) -> dict[str, Any]:
    """Return a version 5 answer."""
    return {"results": each}


def result(found: dict[str, bool | None], *stacks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the result of one job."""
    return {"stacks": stacks, "found_modules": found}


def key(entry: Entry) -> str:
    """Return the name of a module in `found_modules`."""
    return "/".join(entry)


def frame(
    index: int, module: str, offset: int, function: str = "", start: int = 0, **more: Any
) -> dict[str, Any]:
    """Return one frame; its function begins at `start` and has the `size` in `more`, if known."""
    written: dict[str, Any] = {"frame": index, "module": module, "module_offset": hex(offset)}
    if not function:
        return written
    written |= {"function": function, "function_offset": hex(offset - start)}
    if "size" in more:
        written["function_size"] = hex(more.pop("size"))
    return written | more
