"""Asks suppliers in order for a module's symbol file."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from symbolon_server.suppliers.contents.errors import (
    BrokenSymbolFileError,
    FailingSupplierError,
    MissingSymbolFileError,
    SupplierError,
    UnavailableSymbolFileError,
)
from symbolon_server.suppliers.contents.other_content import describe_content
from symbolon_server.suppliers.contents.supplier import Supplier, SymbolFileStream
from symbolon_server.suppliers.pauses import NoPauses, Pause, Pauses
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.errors import MalformedSymbolFileError, NoSymbolFileError

T = TypeVar("T")

Reader = Callable[[Iterator[bytes]], T]
"""Makes something of a symbol file's text; raises `MalformedSymbolFileError` where it cannot, and
`NoSymbolFileError` where it is no such text."""


class AttemptOutcome(Enum):
    """What became of asking one supplier."""

    FOUND = "found"
    MISSING = "missing"
    UNAVAILABLE = "unavailable"
    MALFORMED = "malformed"

    NOT_ASKED = "not_asked"
    """It failed lately and is left alone for now."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One supplier asked for one module."""

    supplier: str
    """The supplier's name."""

    outcome: AttemptOutcome

    detail: str
    """One line for a person; empty for what was found."""

    seconds: float
    """From asking to the end of reading."""

    fetched_bytes: int
    """As sent, also by a supplier that failed later on."""

    retry_after_seconds: float | None = None
    """When to try again, where an unavailable supplier told."""


@dataclass(frozen=True, slots=True)
class Fetched(Generic[T]):
    """What was made of a symbol file, and where it came from."""

    value: T
    supplier: str
    """The name of the supplier that had it."""

    attempts: tuple[Attempt, ...]
    """All suppliers asked, in order; the last one found it."""

    fetched_bytes: int
    """The symbol file's size as sent, compressed or not."""


def _ignore(_: Attempt) -> None:
    pass


class SupplierChain:
    """Suppliers in the order in which they are asked.

    The first whose symbol file can be read answers. A supplier that fails keeps the others
    from nothing, and never turns into "missing". One that keeps failing is not asked while
    its pause lasts, so that it costs no time.
    """

    def __init__(
        self,
        suppliers: Sequence[Supplier],
        observe: Callable[[Attempt], None] = _ignore,
        pauses: Pauses | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask `suppliers`, and tell `observe` about each attempt, as for metrics."""
        self._suppliers = tuple(suppliers)
        self._observe = observe
        self._pauses = pauses or NoPauses()
        self._clock = clock

    @property
    def names(self) -> tuple[str, ...]:
        """The suppliers' names, in order."""
        return tuple(supplier.name for supplier in self._suppliers)

    def fetch(self, asked: AskedModule, read: Reader[T]) -> Fetched[T]:
        """Return what `read` makes of the module's symbol file.

        If nobody has one that can be read, raises the worst of what the suppliers said:
        `UnavailableSymbolFileError` if any failed, else `BrokenSymbolFileError` if any sent
        a file that is malformed, else `MissingSymbolFileError`.
        """
        attempts: list[Attempt] = []
        for supplier in self._suppliers:
            attempt, values = self._ask_unless_paused(supplier, asked, read)
            attempts.append(attempt)
            self._observe(attempt)
            if attempt.outcome is AttemptOutcome.FOUND:
                return Fetched(values[0], supplier.name, tuple(attempts), attempt.fetched_bytes)
        raise _worst_error(attempts)

    def _ask_unless_paused(
        self, supplier: Supplier, asked: AskedModule, read: Reader[T]
    ) -> tuple[Attempt, list[T]]:
        """Return what became of the supplier, and the one value if there is one."""
        pause = self._pauses.find(supplier.name)
        if pause is not None:
            return _not_asked(supplier, pause), []
        return self._ask(supplier, asked, read)

    def _ask(
        self, supplier: Supplier, asked: AskedModule, read: Reader[T]
    ) -> tuple[Attempt, list[T]]:
        """Return what became of asking, and the one value if there is one."""
        start = self._clock()
        values: list[T] = []
        stream: SymbolFileStream | None = None
        failure: SupplierError | MalformedSymbolFileError | None = None
        try:
            with supplier.fetch(asked) as stream:
                values.append(_read(stream, read))
        except (SupplierError, MalformedSymbolFileError) as error:
            failure = error
        self._note_health(supplier, failure)
        attempt = Attempt(
            supplier.name,
            _outcome_of(failure),
            "" if failure is None else str(failure),
            self._clock() - start,
            stream.fetched_bytes if stream else 0,
            _told_by(failure),
        )
        return attempt, values

    def _note_health(self, supplier: Supplier, failure: Exception | None) -> None:
        """Begin or lengthen a pause where any other file would have failed, too; else end it."""
        if isinstance(failure, FailingSupplierError):
            told = failure.retry_after_seconds
            self._pauses.note_failure(supplier.name, str(failure), told)
        else:
            self._pauses.end(supplier.name)


def _read(stream: SymbolFileStream, read: Reader[T]) -> T:
    """Return what `read` makes of the text.

    What is no symbol file at all is an answer about the supplier: a login page, an error that
    was sent with status 200, a file of which nothing was copied yet. Other files it may well have.
    """
    try:
        return read(stream)
    except NoSymbolFileError:
        content = describe_content(stream.beginning)
        detail = f"has {content} in place of the symbol file"
        raise UnavailableSymbolFileError(detail) from None


def _outcome_of(failure: Exception | None) -> AttemptOutcome:
    match failure:
        case None:
            return AttemptOutcome.FOUND
        case MissingSymbolFileError():
            return AttemptOutcome.MISSING
        case UnavailableSymbolFileError():
            return AttemptOutcome.UNAVAILABLE
        case _:
            return AttemptOutcome.MALFORMED


def _told_by(failure: Exception | None) -> float | None:
    """Return when to try again, where a supplier told."""
    if isinstance(failure, UnavailableSymbolFileError):
        return failure.retry_after_seconds
    return None


def _not_asked(supplier: Supplier, pause: Pause) -> Attempt:
    detail = f"left alone for a while: {pause.detail}"
    return Attempt(supplier.name, AttemptOutcome.NOT_ASKED, detail, 0.0, 0, pause.seconds)


def _worst_error(attempts: Sequence[Attempt]) -> SupplierError:
    unavailable = _details(attempts, AttemptOutcome.UNAVAILABLE, AttemptOutcome.NOT_ASKED)
    if unavailable:
        told = [a.retry_after_seconds for a in attempts if a.retry_after_seconds is not None]
        return UnavailableSymbolFileError(unavailable, min(told, default=None))
    malformed = _details(attempts, AttemptOutcome.MALFORMED)
    if malformed:
        return BrokenSymbolFileError(malformed)
    return MissingSymbolFileError("no supplier has it" if attempts else "there is no supplier")


def _details(attempts: Sequence[Attempt], *outcomes: AttemptOutcome) -> str:
    return "; ".join(f"{a.supplier}: {a.detail}" for a in attempts if a.outcome in outcomes)
