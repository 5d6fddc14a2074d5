"""Requests a module's symbol files from suppliers in order."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, Generic, NamedTuple, TypeVar

from symbolon_server.suppliers.contents.errors import (
    ABSENT,
    BrokenSymbolFileError,
    FailingSupplierError,
    MissingSymbolFileError,
    SupplierError,
    UnavailableSymbolFileError,
)
from symbolon_server.suppliers.contents.supplier import Supplier, SymbolFileStream
from symbolon_server.suppliers.layouts.layout import CandidatePath
from symbolon_server.suppliers.layouts.options import OTHER_FORMATS, OTHER_NAMES
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.errors import (
    MalformedSymbolFileError,
    NoSymbolFileError,
    NoSymbolsError,
)
from symbolon_server.telemetry.tracing.spans import Kind, Span, child

T = TypeVar("T")

Reader = Callable[[Iterator[bytes]], T]
"""Parses the text of a symbol file; raises `MalformedSymbolFileError` if it is damaged, and
`NoSymbolFileError` if it is something else."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n\0"


class AttemptOutcome(Enum):
    """The outcome of one request to one supplier."""

    FOUND = "found"
    MISSING = "missing"
    UNAVAILABLE = "unavailable"
    MALFORMED = "malformed"

    NOT_ASKED = "not_asked"
    """Skipped, because it is backed off from after failures."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request to one supplier for one file of a module."""

    supplier: str
    """The supplier's name."""

    outcome: AttemptOutcome

    detail: str
    """One line for humans; empty if found."""

    seconds: float
    """From the request to the end of reading."""

    fetched_bytes: int
    """As sent, including those of a supplier that failed later."""

    retry_after_seconds: float | None = None
    """The `Retry-After` of an unavailable supplier, if it sent one."""

    path: str = ""
    """The file's path below the supplier, without a query; empty if nothing was requested."""


@dataclass(frozen=True, slots=True)
class Fetched(Generic[T]):
    """The parsed symbol file, and where it came from."""

    value: T
    supplier: str
    """The name of the supplier that had it."""

    attempts: tuple[Attempt, ...]
    """All attempts, in order; the last one found it."""

    fetched_bytes: int
    """The symbol file's size as sent, compressed or not."""


class Pause(NamedTuple):
    """A time during which a supplier is not asked."""

    seconds: float
    """Remaining time."""

    detail: str
    """Its last failure, in one line for humans."""


class Pauses:
    """The backoff from failing suppliers, by their names; this one never backs off."""

    def find(self, supplier: str) -> Pause | None:  # noqa: ARG002 - for those that back off
        """Return the current pause, or None to let the caller ask and report the outcome."""
        return None

    def end(self, supplier: str) -> None:
        """Note that the supplier answered properly, with or without the file."""

    def note_failure(
        self, supplier: str, detail: str, retry_after_seconds: float | None = None
    ) -> None:
        """Note that the supplier failed, with its `Retry-After` if it sent one."""


_UNCONCERNED = frozenset({OTHER_NAMES, OTHER_FORMATS})

_MOST_CHARACTERS: Final = 450
"""What a detail has room for, besides what is always said."""

_SHORT_NAME: Final = 60
"""Characters of a supplier's name if there is no room for all."""

_NO_ANSWER = frozenset({AttemptOutcome.UNAVAILABLE, AttemptOutcome.NOT_ASKED})


def _ignore(_: Attempt) -> None:
    pass


def _is_whole(_: object) -> bool:
    return True


class SupplierChain:
    """Suppliers in the order in which they are asked.

    The first file with debug information is used: a symbol table alone only if no supplier has
    more. A supplier that fails does not affect the others, and never counts as "missing". One that
    keeps failing is skipped during its pause, so that it costs no time.
    """

    def __init__(
        self,
        suppliers: Sequence[Supplier],
        observe: Callable[[Attempt], None] = _ignore,
        pauses: Pauses | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask `suppliers`; call `observe` with each attempt, for metrics."""
        self._suppliers = tuple(suppliers)
        self._observe = observe
        self._pauses = pauses or Pauses()
        self._clock = clock

    @property
    def names(self) -> tuple[str, ...]:
        """The suppliers' names, in order."""
        return tuple(supplier.name for supplier in self._suppliers)

    def fetch(
        self, asked: AskedModule, read: Reader[T], is_whole: Callable[[T], bool] = _is_whole
    ) -> Fetched[T]:
        """Return the result of `read` on the first of the module's files that `is_whole`.

        If no file is, returns the result of the first readable one, provided that every supplier
        answered. Else raises the worst of their outcomes: `UnavailableSymbolFileError` if any
        failed, else `BrokenSymbolFileError` if any sent a malformed file, else
        `MissingSymbolFileError`.
        """
        attempts: list[Attempt] = []
        partial: Fetched[T] | None = None
        for supplier in self._suppliers:
            for attempt, values in self._ask_supplier(supplier, asked, read):
                attempts.append(attempt)
                self._observe(attempt)
                for value in values:
                    fetched = Fetched(value, supplier.name, (), attempt.fetched_bytes)
                    if is_whole(value):
                        return replace(fetched, attempts=tuple(attempts))
                    partial = partial or fetched
        if partial is None or any(attempt.outcome in _NO_ANSWER for attempt in attempts):
            raise _worst_error(attempts)
        return replace(partial, attempts=tuple(attempts))

    def _ask_supplier(
        self, supplier: Supplier, asked: AskedModule, read: Reader[T]
    ) -> Iterator[tuple[Attempt, list[T]]]:
        """Yield each attempt, with its value if it found one, up to one without an answer."""
        candidates = supplier.candidates(asked)
        lacks = supplier.lacks(asked)
        if not candidates:
            yield _missing_without_request(supplier, lacks), []
            return
        pause = self._pauses.find(supplier.name)
        if pause is not None:
            yield _not_asked(supplier, pause), []
            return
        for candidate in candidates:
            attempt, values, failure = self._ask(supplier, candidate, read)
            is_unavailable = attempt.outcome is AttemptOutcome.UNAVAILABLE
            is_last = is_unavailable or candidate == candidates[-1]
            if is_last or values:
                self._note_health(supplier, failure)
            if is_last and lacks and attempt.outcome is AttemptOutcome.MISSING:
                attempt = replace(attempt, detail=f"{attempt.detail}; {lacks}")
            yield attempt, values
            if is_last:
                return

    def _ask(
        self, supplier: Supplier, candidate: CandidatePath, read: Reader[T]
    ) -> tuple[Attempt, list[T], Exception | None]:
        """Return the attempt, its value if it found one, and its failure."""
        start = self._clock()
        values: list[T] = []
        stream: SymbolFileStream | None = None
        failure: SupplierError | MalformedSymbolFileError | None = None
        with child("fetch", Kind.CLIENT) as span:
            try:
                with supplier.fetch(candidate) as stream:
                    values.append(_read(stream, read))
            except (SupplierError, MalformedSymbolFileError) as error:
                failure = error
            if span is not None:
                _describe(span, supplier.name, _outcome_of(failure), stream)
        attempt = Attempt(
            supplier.name,
            _outcome_of(failure),
            "" if failure is None else str(failure),
            self._clock() - start,
            stream.fetched_bytes if stream else 0,
            _retry_after(failure),
            str(candidate),
        )
        return attempt, values, failure

    def _note_health(self, supplier: Supplier, failure: Exception | None) -> None:
        """Back off if any other file would have failed, too; else end the pause."""
        if isinstance(failure, FailingSupplierError):
            retry_after = failure.retry_after_seconds
            self._pauses.note_failure(supplier.name, str(failure), retry_after)
        else:
            self._pauses.end(supplier.name)


def _describe(
    span: Span, supplier: str, outcome: AttemptOutcome, stream: SymbolFileStream | None
) -> None:
    """Describe a request to a supplier as metrics do; a path may hold what a caller sent."""
    span.attributes["symbolon.supplier"] = supplier
    span.attributes["symbolon.outcome"] = outcome.value
    span.attributes["symbolon.fetched_bytes"] = stream.fetched_bytes if stream else 0
    if outcome in (AttemptOutcome.UNAVAILABLE, AttemptOutcome.MALFORMED):
        span.error = outcome.value


def _read(stream: SymbolFileStream, read: Reader[T]) -> T:
    """Return the result of `read` on the text.

    Text that is not a symbol file at all says nothing about the module: it may be a login page, an
    error sent with status 200, or a file that is still being copied.
    """
    try:
        return read(stream)
    except NoSymbolFileError:
        content = _describe_content(stream.beginning)
        detail = f"has {content} instead of the symbol file"
        raise UnavailableSymbolFileError(detail) from None


def _describe_content(beginning: bytes) -> str:
    """Return the kind of content in a few words, without quoting any of it."""
    text = beginning.removeprefix(_BYTE_ORDER_MARK).lstrip(_BLANK)
    if not text:
        return "nothing"
    if text.startswith(b"<"):
        return "an HTML or XML document"
    return "JSON" if text.startswith((b"{", b"[")) else "something else"


def _outcome_of(failure: Exception | None) -> AttemptOutcome:
    match failure:
        case None:
            return AttemptOutcome.FOUND
        case MissingSymbolFileError() | NoSymbolsError():
            return AttemptOutcome.MISSING
        case UnavailableSymbolFileError():
            return AttemptOutcome.UNAVAILABLE
        case _:
            return AttemptOutcome.MALFORMED


def _retry_after(failure: Exception | None) -> float | None:
    if isinstance(failure, UnavailableSymbolFileError):
        return failure.retry_after_seconds
    return None


def _not_asked(supplier: Supplier, pause: Pause) -> Attempt:
    detail = f"skipped after failures: {pause.detail}"
    return Attempt(supplier.name, AttemptOutcome.NOT_ASKED, detail, 0.0, 0, pause.seconds)


def _missing_without_request(supplier: Supplier, lacks: str) -> Attempt:
    return Attempt(supplier.name, AttemptOutcome.MISSING, lacks, 0.0, 0)


def _worst_error(attempts: Sequence[Attempt]) -> SupplierError:
    unavailable = _details(attempts, AttemptOutcome.UNAVAILABLE, AttemptOutcome.NOT_ASKED)
    if unavailable:
        retry_after = (a.retry_after_seconds for a in attempts if a.retry_after_seconds is not None)
        return UnavailableSymbolFileError(unavailable, min(retry_after, default=None))
    malformed = _details(attempts, AttemptOutcome.MALFORMED)
    if malformed:
        return BrokenSymbolFileError(malformed)
    if not attempts:
        return MissingSymbolFileError("no supplier is configured")
    reasons = _details(attempts, AttemptOutcome.MISSING)
    return MissingSymbolFileError("; ".join(filter(None, ("no supplier has it", reasons))))


def _details(attempts: Sequence[Attempt], *outcomes: AttemptOutcome) -> str:
    """Return what is to be said of attempts with these outcomes, each reason once.

    A detail has an end: those that the module does not concern come last, and names are shortened
    if all of it does not fit.
    """
    suppliers: dict[str, dict[str, None]] = {}
    for attempt in sorted(attempts, key=lambda attempt: attempt.detail in _UNCONCERNED):
        if attempt.outcome in outcomes and not attempt.detail.endswith(ABSENT):
            reason = attempt.detail.removeprefix(f"{ABSENT}; ")
            suppliers.setdefault(reason, {})[attempt.supplier] = None
    said = _say(suppliers, _MOST_CHARACTERS)
    return said if len(said) <= _MOST_CHARACTERS else _say(suppliers, _SHORT_NAME)


def _say(suppliers: Mapping[str, Iterable[str]], longest_name: int) -> str:
    return "; ".join(f"{_name(names, longest_name)}: {why}" for why, names in suppliers.items())


def _name(suppliers: Iterable[str], longest: int) -> str:
    """Return the first name, without its middle if it is long, and how many others there are."""
    first, *others = suppliers
    if len(first) > longest:
        first = f"{first[: longest // 2]}…{first[-longest // 2 :]}"
    if not others:
        return first
    return f"{first} and {len(others)} other{'s' if len(others) > 1 else ''}"
