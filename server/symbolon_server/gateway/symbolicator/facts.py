"""What an answer says about a module beyond its outcome, remembered for some minutes."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final, NamedTuple

from symbolon import Client, Module, ModuleOutcome, SymbolonError
from symbolon_server.gateway.symbolicator.candidates import write_candidates, write_features
from symbolon_server.gateway.symbolicator.processors import (
    UNKNOWN_ARCHITECTURE,
    Processor,
    find_processor,
    name_architecture,
)

FOUND_SECONDS: Final = 600.0
OTHER_SECONDS: Final = 60.0
"""Why a module is not found may change sooner."""

REMEMBERED_ENTRIES: Final = 1 << 14
"""Modules and candidates, counted together."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is told about a module."""

    architecture: str = UNKNOWN_ARCHITECTURE
    """In Symbolicator's spelling."""

    features: Mapping[str, bool] = field(default_factory=lambda: write_features(None))
    candidates: Sequence[Mapping[str, Any]] = ()

    @property
    def processor(self) -> Processor:
        """What its code runs on."""
        return find_processor(self.architecture)


NOTHING: Final = Facts()


class Asked(NamedTuple):
    """What facts are asked about."""

    module: Module
    outcome: ModuleOutcome
    """As answered: facts of another outcome are out of date."""


class _Remembered(NamedTuple):
    facts: Facts
    since: float

    @property
    def size(self) -> int:
        return 1 + len(self.facts.candidates)


class FactsMemory:
    """Facts by what was asked. Thread-safe: it alone owns them, under its one lock.

    Two threads may ask the server about the same module at once.
    """

    def __init__(
        self, entries: int = REMEMBERED_ENTRIES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._entries = entries
        self._clock = clock
        self._lock = Lock()
        self._size = 0
        self._remembered: OrderedDict[Asked, _Remembered] = OrderedDict()

    def find(self, asked: Asked) -> Facts | None:
        """Return the facts that are remembered."""
        with self._lock:
            found = self._remembered.get(asked)
        lifetime = FOUND_SECONDS if asked.outcome is ModuleOutcome.FOUND else OTHER_SECONDS
        if found is None or self._clock() - found.since > lifetime:
            return None
        return found.facts

    def load(self, asked: Asked, client: Client, timeout: float) -> Facts:
        """Return the facts, which the server is asked for if need be.

        It knows none of a module without an id. If it cannot tell them now, the answer for the
        frames does without.
        """
        if not (asked.module.debug_id or asked.module.code_id):
            return NOTHING
        facts = self.find(asked)
        if facts is None:
            try:
                facts = _ask(asked, client, timeout)
            except SymbolonError:
                return NOTHING
            if facts is not NOTHING:
                self._put(asked, facts)
        return facts

    def _put(self, asked: Asked, facts: Facts) -> None:
        entry = _Remembered(facts, self._clock())
        with self._lock:
            replaced = self._remembered.pop(asked, None)
            self._remembered[asked] = entry
            self._size += entry.size - (replaced.size if replaced is not None else 0)
            while self._size > self._entries:
                _, oldest = self._remembered.popitem(last=False)
                self._size -= oldest.size


def _ask(asked: Asked, client: Client, timeout: float) -> Facts:
    module = asked.module
    explanation = client.explain_frame(
        module.debug_file,
        module.debug_id,
        0,
        code_file=module.code_file,
        code_id=module.code_id,
        with_linkage_names=True,
        timeout=timeout,
    )
    held, round_ = explanation.held, explanation.suppliers
    if held is None and round_ is None:
        return NOTHING
    features = write_features(held)
    architecture = UNKNOWN_ARCHITECTURE if held is None else name_architecture(held.architecture)
    return Facts(architecture, features, write_candidates(round_, features))
