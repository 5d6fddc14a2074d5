"""Any text that `symbolon symbolicate` reads, within the limits of a body."""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
from symbolon._tecken.counting import Counts, count_payload
from symbolon._tecken.jobs import (
    MOST_PROBLEMS,
    V5,
    Job,
    JobFrames,
    MemoryMap,
    Problems,
    TeckenRequest,
)
from symbolon._tecken.requests import parse_jobs
from symbolon.text import TextStyle
from symbolon_server.gateway.reading import (
    BodyLimits,
    Deadline,
    refuse_excess,
    refuse_many_parts,
)
from symbolon_server.gateway.refusals import Refused

T = TypeVar("T")

_Request = TeckenRequest | InvalidReportError
"""What a document asks for, or why it cannot be read."""

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
    requests: Sequence[_Request]
    """One for each document of the text; only one unless its `kind` is `LINES`. A line that cannot
    be read is an error, unless none can."""

    @property
    def request(self) -> TeckenRequest:
        """All reports, as version 5 has them; a line that cannot be read is one without stacks."""
        return TeckenRequest(5, tuple(chain.from_iterable(map(_jobs_of, self.requests))))

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
            jobs = _jobs_of(request)
            own = list(islice(left, len(jobs)))
            if isinstance(request, InvalidReportError):
                yield f"Report {number}: {request}\n"
                continue
            line = number if self.kind is InputKind.LINES else None
            yield write_document(jobs, own, _STYLE, line=line)


def _jobs_of(request: _Request) -> Sequence[Job]:
    if isinstance(request, InvalidReportError):
        return (Job(MemoryMap.make(()), JobFrames((), (), (), frozenset()), (str(request),)),)
    return request.jobs


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
    if given.kind is InputKind.RAW:
        requests: Sequence[_Request] = (_read_raw(given, limits, deadline, is_strict=is_strict),)
    else:
        documents = _load(given, limits, deadline, is_strict=is_strict)
        requests = tuple(_make_requests(documents, deadline, is_strict=is_strict))
        errors = [request for request in requests if isinstance(request, InvalidReportError)]
        if errors and len(errors) == len(requests):
            raise errors[0]
    return Pasted(given.kind, requests)


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


def _read_raw(
    given: Input, limits: BodyLimits, deadline: Deadline, *, is_strict: bool
) -> TeckenRequest:
    """Return the request of raw lines; those in another form are problems of its job."""
    unread = Problems(0 if is_strict else MOST_PROBLEMS)
    payload = make_payload(given.parts, unread)
    refuse_excess(count_payload(payload, V5), limits)
    deadline.left()
    (job,) = parse_jobs(payload, is_strict=is_strict)
    problems = (*unread.take(), *job.problems)
    _refuse_many_problems(len(problems))
    return TeckenRequest(5, (replace(job, problems=problems),))


def _load(
    given: Input, limits: BodyLimits, deadline: Deadline, *, is_strict: bool
) -> Sequence[Document | InvalidReportError]:
    """Return all documents: their sum is compared with the limits before the first is encoded."""
    documents: list[Document | InvalidReportError] = []
    counts = Counts()
    are_lines = given.kind is InputKind.LINES
    for number, part in given.parts:
        deadline.left()
        line = f"line {number}" if are_lines else ""
        document: Document | InvalidReportError
        try:
            document = load_document(part, line or _NAME, line)
        except InvalidReportError as error:
            if is_strict or not are_lines:
                raise
            document = error
        counts = counts.plus(_count(document))
        refuse_excess(counts, limits)
        documents.append(document)
    return documents


def _count(document: Document | InvalidReportError) -> Counts:
    return Counts(jobs=1) if isinstance(document, InvalidReportError) else document.count()


def _make_requests(
    documents: Sequence[Document | InvalidReportError], deadline: Deadline, *, is_strict: bool
) -> Iterator[_Request]:
    problems = 0
    for document in documents:
        deadline.left()
        request = _make_request(document, is_strict=is_strict)
        problems += sum(len(job.problems) for job in _jobs_of(request))
        _refuse_many_problems(problems)
        yield request


def _make_request(document: Document | InvalidReportError, *, is_strict: bool) -> _Request:
    if isinstance(document, InvalidReportError):
        return document
    try:
        return document.make_request(is_strict=is_strict)
    except InvalidReportError as error:
        if is_strict or not document.line:
            raise
        return error


def _refuse_many_problems(count: int) -> None:
    if count > MOST_PROBLEMS:
        raise InvalidReportError(f"errors: {count} in all, the limit is {MOST_PROBLEMS}")
