"""Callers that ask again and again, and what became of their calls."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Self

from symbolon import Client, Symbolication, SymbolonError, Tier
from tests.app.conftest import PATIENCE_SECONDS
from tests.system.known_modules import KnownModule, Question, unanswered_in

_MOST_PROBLEMS = 20
"""How many are kept; the first tell enough."""


@dataclass(slots=True)
class Tally:
    """What became of some calls."""

    calls: int = 0
    failed: int = 0
    frames: int = 0
    unanswered: int = 0
    """Frames that said why they have no answer."""

    wrong: int = 0
    slowest_seconds: float = 0.0
    longest_store_seconds: float = 0.0
    """The most time that one call spent asking the store, all its requests together."""

    problems: list[str] = field(default_factory=list)

    def check(self) -> None:
        """No call failed and no answer was wrong, and there were calls."""
        assert (self.failed, self.wrong) == (0, 0), self.problems
        assert self.calls

    def add(self, seconds: float, question: Question, answer: Symbolication) -> None:
        wrong = question.wrong_in(answer)
        self._end(seconds)
        self.frames += sum(map(len, question.offsets))
        self.unanswered += unanswered_in(answer)
        self.wrong += len(wrong)
        self.problems += wrong[: _MOST_PROBLEMS - len(self.problems)]
        self.longest_store_seconds = max(self.longest_store_seconds, store_seconds_of(answer))

    def fail(self, seconds: float, error: SymbolonError) -> None:
        self._end(seconds)
        self.failed += 1
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(f"after {seconds:.2f} s: {error!r}")

    def join(self, other: "Tally") -> None:
        """Add what became of other calls."""
        self.calls += other.calls
        self.failed += other.failed
        self.frames += other.frames
        self.unanswered += other.unanswered
        self.wrong += other.wrong
        self.slowest_seconds = max(self.slowest_seconds, other.slowest_seconds)
        self.problems += other.problems

    def _end(self, seconds: float) -> None:
        self.calls += 1
        self.slowest_seconds = max(self.slowest_seconds, seconds)


def store_seconds_of(answer: Symbolication) -> float:
    """Return how long a call asked the store."""
    assert answer.diagnostics is not None
    return sum(row.seconds or 0.0 for row in answer.diagnostics.tiers if row.tier is Tier.STORE)


class Traffic:
    """So many callers, each with a client of its own, from `__enter__` to `__exit__`.

    Each pauses so many seconds between calls: what shares the cores with them is not to be slow by
    their number. The tally has one owner, this, and one lock.
    """

    def __init__(
        self,
        target: str,
        modules: Sequence[KnownModule],
        *,
        callers: int = 3,
        frames: int = 20,
        timeout: float = 10.0,
        pause: float = 0.05,
        seed: int = 0,
    ) -> None:
        self._target = target
        self._modules = modules
        self._frames = frames
        self._timeout = timeout
        self._pause = pause
        self._changed = threading.Condition()
        self._tally = Tally()
        self._is_over = threading.Event()
        self._threads = [
            threading.Thread(target=self._call_on, args=(Random(f"{seed}/{caller}"),))
            for caller in range(callers)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def take(self) -> Tally:
        """Return what became of the calls since the last time, and begin to count anew."""
        with self._changed:
            taken, self._tally = self._tally, Tally()
        return taken

    def take_after(self, calls: int) -> Tally:
        """Return the tally once so many calls have ended since the last one was taken."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._tally.calls >= calls, PATIENCE_SECONDS)
        return self.take()

    def wait_for(self, seconds: float) -> None:
        """Return after so many seconds of calls."""
        end = time.monotonic() + seconds
        with self._changed:
            self._changed.wait_for(lambda: time.monotonic() >= end, seconds)

    def _call_on(self, random: Random) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        with Client(self._target, timeout=self._timeout, options=options) as client:
            while not self._is_over.wait(self._pause):
                self._call(client, Question.choose(random, self._modules, self._frames))

    def _call(self, client: Client, question: Question) -> None:
        start = time.monotonic()
        try:
            answer = client.symbolicate(*question.request(), with_diagnostics=True)
        except SymbolonError as error:
            with self._changed:
                self._tally.fail(time.monotonic() - start, error)
                self._changed.notify_all()
            return
        seconds = time.monotonic() - start
        with self._changed:
            self._tally.add(seconds, question, answer)
            self._changed.notify_all()
