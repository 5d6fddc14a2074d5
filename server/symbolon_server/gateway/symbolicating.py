"""One request in the JSON of Tecken's and Eliot's API, answered by way of gRPC."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from symbolon import Client, InvalidReportError
from symbolon._messages.answers import EncodedAnswer
from symbolon._messages.encoding import EncodedReport
from symbolon._tecken.answers import describe_modules, write_response
from symbolon._tecken.debug import count_debug
from symbolon._tecken.jobs import Job, TeckenRequest, name_job
from symbolon_server.gateway.deadline import Deadline
from symbolon_server.rpc.access.forwarded import forward

_HEALTH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What came over HTTP."""

    request: TeckenRequest
    deadline: Deadline
    token: str | None
    """What the caller is known by; None where nobody needs to be."""

    host: str | None = None
    """The address that the caller has connected from; None where it has none."""

    with_debug: bool = False
    """Whether version 5 also has Eliot's `debug`."""

    with_outcomes: bool = False
    """Whether version 5 also has what became of each module."""


@dataclass(frozen=True, slots=True)
class _TimelyJob:
    """A job that no call is begun for once its request's deadline has passed."""

    job: Job
    deadline: Deadline

    def encode(self) -> EncodedReport:
        self.deadline.left()
        return self.job.encode()


class Symbolicating:
    """Answers requests through clients that take turns; any number of threads may use it.

    Each client has a connection of its own: several of them reach several serving processes.
    """

    def __init__(self, clients: Sequence[Client], secret: str = "") -> None:
        """With a `secret` that the other side knows, tell it who calls."""
        self._clients = cycle(clients)
        self._secret = secret

    def answer(self, asked: Asked) -> bytes:
        """Return the response, a line of JSON; raise `SymbolonError`."""
        request, deadline = asked.request, asked.deadline
        jobs = [_TimelyJob(job, deadline) for job in request.jobs]
        client = next(self._clients)
        if asked.token is not None:
            client = client.with_token(asked.token)
        if self._secret and asked.host is not None:
            client = client._with_metadata(forward(self._secret, asked.host))  # noqa: SLF001 # ours
        results = client.symbolicate_many(
            jobs, with_diagnostics=asked.with_debug, timeout=deadline.left()
        )
        answers = []
        for index, result in enumerate(results):
            if result.encoded is None:
                error = result.error or InvalidReportError("a result has an answer or an error")
                raise name_job(error, index)
            answers.append(result.encoded)
        extras = _extras(client, asked, answers)
        deadline.left()
        return write_response(request, answers, extras)

    def is_serving(self) -> bool:
        """Return whether the other side says that it serves; raise `SymbolonError`."""
        return next(self._clients).is_serving(timeout=_HEALTH_SECONDS)


def _extras(client: Client, asked: Asked, answers: Sequence[EncodedAnswer]) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    if asked.with_debug:
        extras["debug"] = count_debug(client, asked.request, answers, asked.deadline.left)
    if asked.with_outcomes:
        pairs = zip(asked.request.jobs, answers, strict=True)
        extras["outcomes"] = [_write_outcomes(job, answer) for job, answer in pairs]
    return extras


def _write_outcomes(job: Job, answer: EncodedAnswer) -> list[dict[str, Any]]:
    """Return what became of each module of a job, in the order of its memory map."""
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
