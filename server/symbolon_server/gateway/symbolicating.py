"""Answers a request by calling the gRPC server."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from symbolon import Client, InvalidReportError
from symbolon._messages.answers import EncodedAnswer
from symbolon._messages.encoding import EncodedReport
from symbolon._tecken.answers import describe_modules, write_response
from symbolon._tecken.debug import count_debug
from symbolon._tecken.jobs import Job, TeckenRequest, name_job
from symbolon_server.gateway.explaining import FrameToExplain, write_explanation
from symbolon_server.gateway.reading import Deadline
from symbolon_server.rpc.access.forwarding import forward
from symbolon_server.telemetry.tracing.contexts import SpanContext, headers_of

_HEALTH_SECONDS = 5.0

Write = Callable[[TeckenRequest, Sequence[EncodedAnswer], Mapping[str, Any]], bytes]
"""Returns a response of a request, its answers, and what is to be added."""


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf a call is made, and until when."""

    deadline: Deadline
    token: str | None
    """The caller's token; None if no token is needed."""

    host: str | None = None
    """The address that the caller connects from; None if it has none."""

    trace: SpanContext | None = None
    """The context of its calls; None if nothing is traced."""


@dataclass(frozen=True, slots=True)
class Question:
    """A request that came over HTTP."""

    request: TeckenRequest
    caller: Caller

    with_debug: bool = False
    """Whether a version 5 answer includes Eliot's `debug`."""

    with_outcomes: bool = False
    """Whether a version 5 answer includes the outcome of each module."""

    write: Write = write_response
    """Writes the response."""


@dataclass(frozen=True, slots=True)
class _TimelyJob:
    """A job for which no call is started after the deadline of its request."""

    job: Job
    deadline: Deadline

    def encode(self) -> EncodedReport:
        self.deadline.left()
        return self.job.encode()


class Symbolicating:
    """Answers requests through clients that take turns; thread-safe."""

    def __init__(self, take_client: Callable[[], Client], secret: str = "") -> None:
        """With a `secret` that the gRPC server knows, tell it the address of each caller."""
        self._take_client = take_client
        self._secret = secret

    def answer(self, question: Question) -> bytes:
        """Return the response; raise `SymbolonError`."""
        request, deadline = question.request, question.caller.deadline
        jobs = [_TimelyJob(job, deadline) for job in request.jobs]
        client = self.client_for(question.caller)
        results = client.symbolicate_many(
            jobs, with_diagnostics=question.with_debug, timeout=deadline.left()
        )
        answers = []
        for index, result in enumerate(results):
            if result.encoded is None:
                error = result.error or InvalidReportError("a result has an answer or an error")
                raise name_job(error, index)
            answers.append(result.encoded)
        extras = _extras(client, question, answers)
        deadline.left()
        return question.write(request, answers, extras)

    def explain(self, frame: FrameToExplain, caller: Caller) -> bytes:
        """Return what leads to the answer for a frame; raise `SymbolonError`."""
        module = frame.module
        found = self.client_for(caller).explain_frame(
            module.debug_file,
            module.debug_id,
            frame.module_offset,
            code_file=module.code_file,
            code_id=module.code_id,
            is_return_address=frame.is_return_address,
            ranges_around=frame.ranges_around,
            timeout=caller.deadline.left(),
        )
        caller.deadline.left()
        return write_explanation(found)

    async def ask(self, call: bytes, caller: Caller) -> bytes:
        """Return the response to an encoded request; raise `SymbolonError`."""
        client = self.client_for(caller)
        return await client._ask_encoded(call, caller.deadline.left())  # noqa: SLF001 # ours

    def is_serving(self) -> bool:
        """Return whether the gRPC server is serving; raise `SymbolonError`."""
        return self._take_client().is_serving(timeout=_HEALTH_SECONDS)

    def client_for(self, caller: Caller) -> Client:
        """Return the next client, which calls on behalf of the caller."""
        client = self._take_client()
        if caller.token is not None:
            client = client.with_token(caller.token)
        metadata = [] if caller.trace is None else [*headers_of(caller.trace)]
        if self._secret and caller.host is not None:
            metadata.append(forward(self._secret, caller.host))
        return client._with_metadata(*metadata) if metadata else client  # noqa: SLF001 # ours


def _extras(client: Client, question: Question, answers: Sequence[EncodedAnswer]) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    if question.with_debug:
        left = question.caller.deadline.left
        extras["debug"] = count_debug(client, question.request, answers, left)
    if question.with_outcomes:
        pairs = zip(question.request.jobs, answers, strict=True)
        extras["outcomes"] = [_write_outcomes(job, answer) for job, answer in pairs]
    return extras


def _write_outcomes(job: Job, answer: EncodedAnswer) -> list[dict[str, Any]]:
    """Return the outcome of each module of a job, in the order of its memory map."""
    return [
        {
            "debug_file": asked.module.debug_file,
            "debug_id": asked.module.debug_id,
            "code_file": asked.module.code_file,
            "code_id": asked.module.code_id,
            "outcome": result.outcome.name.lower(),
            "detail": result.detail,
            "retry_after_seconds": result.retry_after_seconds,
        }
        for asked, result in zip(job.modules, describe_modules(job, answer), strict=True)
    ]
