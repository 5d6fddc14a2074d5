"""Answers a request by calling the gRPC server."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from symbolon import Client, InvalidReportError
from symbolon._messages.answers import EncodedAnswer
from symbolon._messages.encoding import EncodedReport
from symbolon._tecken.answers import describe_modules, write_response
from symbolon._tecken.debug import count_debug
from symbolon._tecken.jobs import Job, TeckenRequest, name_job
from symbolon_server.gateway.reading import Deadline
from symbolon_server.rpc.access.forwarding import forward

_HEALTH_SECONDS = 5.0

Write = Callable[[TeckenRequest, Sequence[EncodedAnswer], Mapping[str, Any]], bytes]
"""Returns a response of a request, its answers, and what is to be added."""


@dataclass(frozen=True, slots=True)
class Question:
    """A request that came over HTTP."""

    request: TeckenRequest
    deadline: Deadline
    token: str | None
    """The caller's token; None if no token is needed."""

    host: str | None = None
    """The address that the caller connects from; None if it has none."""

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
    """Answers requests through clients that take turns; thread-safe.

    Each client has its own connection, so that several clients reach several server processes.
    """

    def __init__(self, clients: Sequence[Client], secret: str = "") -> None:
        """With a `secret` that the gRPC server knows, tell it the address of each caller."""
        self._clients = cycle(clients)
        self._secret = secret

    def answer(self, question: Question) -> bytes:
        """Return the response; raise `SymbolonError`."""
        request, deadline = question.request, question.deadline
        jobs = [_TimelyJob(job, deadline) for job in request.jobs]
        client = self._client_for(question.token, question.host)
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

    async def ask(
        self, call: bytes, deadline: Deadline, token: str | None, host: str | None
    ) -> bytes:
        """Return the response to an encoded request; raise `SymbolonError`."""
        client = self._client_for(token, host)
        return await client._ask_encoded(call, deadline.left())  # noqa: SLF001 # ours

    def _client_for(self, token: str | None, host: str | None) -> Client:
        client = next(self._clients)
        if token is not None:
            client = client.with_token(token)
        if self._secret and host is not None:
            client = client._with_metadata(forward(self._secret, host))  # noqa: SLF001 # ours
        return client

    def is_serving(self) -> bool:
        """Return whether the gRPC server is serving; raise `SymbolonError`."""
        return next(self._clients).is_serving(timeout=_HEALTH_SECONDS)


def _extras(client: Client, question: Question, answers: Sequence[EncodedAnswer]) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    if question.with_debug:
        left = question.deadline.left
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
            "outcome": result.outcome.name.lower(),
            "detail": result.detail,
            "retry_after_seconds": result.retry_after_seconds,
        }
        for asked, result in zip(job.modules, describe_modules(job, answer), strict=True)
    ]
