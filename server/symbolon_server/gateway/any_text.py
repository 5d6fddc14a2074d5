"""Any text that `symbolon symbolicate` reads, within the limits of a body."""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, repeat
from typing import Any, TypeVar

from symbolon import InvalidReportError
from symbolon._answer_text import write_document, write_raw_stack
from symbolon._forms.documents import Document, load_document
from symbolon._forms.inputs import Input, InputKind, divide, is_text
from symbolon._forms.raw_lines import make_payload
from symbolon._forms.unpacking import UnpackedSizeError, unpack
from symbolon._messages.answers import EncodedAnswer
from symbolon._tecken.answers import write_response
from symbolon._tecken.counting import Counts
from symbolon._tecken.jobs import MOST_PROBLEMS, Job, TeckenRequest
from symbolon.text import TextStyle
from symbolon_server.gateway.reading import (
    BodyLimits,
    Deadline,
    refuse_excess,
    refuse_many_parts,
)
from symbolon_server.gateway.refusals import Refused

T = TypeVar("T")

PACKED = ("gzip", "zstd")
"""What the body may be, whether or not its headers say so."""

_NAME = "Payload"
_STYLE = TextStyle()

_GZIP = b"\x1f\x8b\x08"
_MOST_MEMBERS = 10_000
"""Python reads the header of each, whatever little it has."""

_LINE_ENDS = tuple(end.encode() for end in "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")
"""Where `str.splitlines` divides a text."""


@dataclass(frozen=True, slots=True)
class Pasted:
    """What a text asks for."""

    kind: InputKind
    requests: Sequence[TeckenRequest]
    """One for each document of the text; only one unless its `kind` is `LINES`."""

    @property
    def request(self) -> TeckenRequest:
        """All reports, as version 5 has them."""
        return TeckenRequest(5, tuple(chain.from_iterable(one.jobs for one in self.requests)))

    def write_json(
        self, request: TeckenRequest, answers: Sequence[EncodedAnswer], extras: Mapping[str, Any]
    ) -> bytes:
        """Return a response of version 5 with titles of stacks, and facts of each frame."""
        more = {
            "titles": list(_list_titles(request)),
            "frame_modules": [list(_list_modules(job)) for job in request.jobs],
            "return_addresses": [list(_list_returning(job)) for job in request.jobs],
        }
        return write_response(request, answers, {**extras, **more})

    def write_text(
        self,
        deadline: Deadline,
        request: TeckenRequest,
        answers: Sequence[EncodedAnswer],
        _extras: Mapping[str, Any],
    ) -> bytes:
        """Return what `symbolon symbolicate --format text` prints; raise `DeadlineError`."""
        if self.kind is InputKind.RAW:
            texts = write_raw_stack(request.jobs[0], answers[0], _STYLE)
        else:
            texts = self._write_documents(answers, deadline)
        return "".join(f"{text}\n" for text in texts).encode()

    def _write_documents(
        self, answers: Sequence[EncodedAnswer], deadline: Deadline
    ) -> Iterator[str]:
        left = iter(answers)
        for number, request in enumerate(self.requests, 1):
            deadline.left()
            own = list(islice(left, len(request.jobs)))
            line = number if self.kind is InputKind.LINES else None
            yield write_document(request.jobs, own, _STYLE, line=line)


def _list_titles(request: TeckenRequest) -> Iterator[list[str]]:
    """Yield the titles of the stacks of each job; empty if the text has none for a stack."""
    for job in request.jobs:
        yield list(islice(chain(job.titles, repeat("")), len(job.frames.lengths)))


def _list_modules(job: Job) -> Iterator[list[int | None]]:
    """Yield the module indexes of each stack's frames; `None` if a frame was not looked up."""
    indexes: list[int | None] = [index if index >= 0 else None for index in job.frames.indexes]
    for place in job.frames.rejected:
        indexes[place] = None
    return _cut(indexes, job)


def _list_returning(job: Job) -> Iterator[list[bool]]:
    """Yield whether the offset of each stack's frames is known to be a return address."""
    frames = job.frames
    return _cut((place in frames.returning for place in range(len(frames.offsets))), job)


def _cut(column: Iterable[T], job: Job) -> Iterator[list[T]]:
    """Yield the part of a column that belongs to each stack."""
    left = iter(column)
    for length in job.frames.lengths:
        yield list(islice(left, length))


def read_text(
    body: bytes, max_bytes: int, limits: BodyLimits, deadline: Deadline, *, is_strict: bool = False
) -> Pasted:
    """Return what is asked; raise `Refused`, `InvalidReportError` or `DeadlineError`.

    The body may be gzip or zstd, whose content has the limits of a body.
    """
    deadline.left()
    data = _unpack(body, max_bytes)
    given = _divide(data, limits)
    documents, counts = [], Counts()
    for document in _load(given):
        deadline.left()
        counts = counts.plus(document.count())
        refuse_excess(counts, limits)
        documents.append(document)
    return Pasted(given.kind, tuple(_make_requests(documents, deadline, is_strict=is_strict)))


def _unpack(body: bytes, max_bytes: int) -> bytes:
    members = body.count(_GZIP) if body.startswith(_GZIP) else 0
    if members > _MOST_MEMBERS:
        raise InvalidReportError(f"gzip members: {members}, the limit is {_MOST_MEMBERS}")
    try:
        return unpack(io.BytesIO(body), max_bytes).read()
    except UnpackedSizeError:
        raise Refused(413, f"the body unpacks to more than {max_bytes} bytes") from None


def _divide(data: bytes, limits: BodyLimits) -> Input:
    """Return the documents or lines; before any is parsed, what is cheap to count is counted."""
    if is_text(data):
        _refuse_many_lines(data, limits)
    else:
        refuse_many_parts(data, limits)
    given = divide(io.BufferedReader(io.BytesIO(data)), are_lines=False)
    if given.kind is InputKind.LINES:
        refuse_many_parts(data, limits)
    return given


def _refuse_many_lines(data: bytes, limits: BodyLimits) -> None:
    """Raise `InvalidReportError` if a text has more lines, or addresses, than any within limits."""
    counts = (
        ("lines", sum(map(data.count, _LINE_ENDS)) - data.count(b"\r\n"), limits.max_lines),
        ("addresses", data.count(b"0x"), limits.max_parts),
    )
    for name, count, limit in counts:
        if count > limit:
            raise InvalidReportError(f"{name}: {count} in all, the limit is {limit}")


def _load(given: Input) -> Iterator[Document]:
    if given.kind is InputKind.RAW:
        yield Document(make_payload(given.parts))
        return
    for number, part in given.parts:
        line = f"line {number}" if given.kind is InputKind.LINES else ""
        yield load_document(part, line or _NAME, line)


def _make_requests(
    documents: Sequence[Document], deadline: Deadline, *, is_strict: bool
) -> Iterator[TeckenRequest]:
    problems = 0
    for document in documents:
        deadline.left()
        request = document.make_request(is_strict=is_strict)
        problems += sum(len(job.problems) for job in request.jobs)
        if problems > MOST_PROBLEMS:
            raise InvalidReportError(f"errors: {problems} in all, the limit is {MOST_PROBLEMS}")
        yield request
