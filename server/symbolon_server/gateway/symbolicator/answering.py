"""Answers a request by calling the gRPC server, or tells the caller to ask again."""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Final

from symbolon import Client, ModuleOutcome, SymbolonError
from symbolon._messages.answers import EncodedAnswer
from symbolon._messages.decoding import decode_module_result
from symbolon._messages.encoding import NO_MODULE, EncodedReport, encode_module
from symbolon.results import ModuleResult
from symbolon_server.gateway.reading import BodyLimits, load_json, refuse_many_parts
from symbolon_server.gateway.refusals import Refused
from symbolon_server.gateway.symbolicating import Caller, Symbolicating
from symbolon_server.gateway.symbolicator.answers import Answered, write_completed, write_pending
from symbolon_server.gateway.symbolicator.facts import NOTHING, Asked, Facts, FactsMemory
from symbolon_server.gateway.symbolicator.fields import MAX_ADDRESS
from symbolon_server.gateway.symbolicator.held_requests import HeldRequests
from symbolon_server.gateway.symbolicator.places import Place, find_places
from symbolon_server.gateway.symbolicator.processors import Processor
from symbolon_server.gateway.symbolicator.requests import StackRequest, parse_stacks

GIVE_UP_SECONDS: Final = 300.0
"""After this a request is answered with what is known, though modules are still pending."""

_SECONDS = re.compile("[0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class StackQuestion:
    """A request, who sent it, and what to do while modules are pending."""

    request: StackRequest
    body: bytes
    caller: Caller
    timeout: int | None
    """Seconds after which the caller prefers to ask again; `None` if it does not."""

    held_id: str | None = None
    """The id under which it is held; `None` if it is new."""

    is_last: bool = False
    """Whether it is answered though modules are pending."""

    @property
    def may_wait(self) -> bool:
        """Whether the caller may be told to ask again."""
        return self.timeout is not None and not self.is_last


class StackAnswerer:
    """Answers requests of Symbolicator's API. Thread-safe.

    What requests share, the held ones and the facts of modules, has owners of its own.
    """

    def __init__(
        self, symbolicating: Symbolicating, limits: BodyLimits, held: HeldRequests | None = None
    ) -> None:
        self._symbolicating = symbolicating
        self._limits = limits
        self._held = held or HeldRequests()
        self._facts = FactsMemory()

    def read(self, timeout: str | None, body: bytes, caller: Caller) -> Callable[[], bytes]:
        """Return what answers a body; raise `Refused`, `InvalidReportError` or `DeadlineError`."""
        seconds = _read_timeout(timeout)
        question = StackQuestion(self._parse(body, caller), body, caller, seconds)
        return partial(self._answer, question)

    def read_poll(
        self, request_id: str, timeout: str | None, _body: bytes, caller: Caller
    ) -> Callable[[], bytes]:
        """Return what answers a held request; raise `Refused` if it is not held, or not his."""
        seconds = _read_timeout(timeout)
        held = self._held.find(request_id, caller.token)
        if held is None:
            raise Refused(404, "no request has this id, or no longer; send the request again")
        request = self._parse(held.body, caller)
        is_last = self._held.age(held) > GIVE_UP_SECONDS
        question = StackQuestion(request, held.body, caller, seconds, request_id, is_last)
        return partial(self._answer, question)

    def _parse(self, body: bytes, caller: Caller) -> StackRequest:
        caller.deadline.left()
        refuse_many_parts(body, self._limits)
        payload = load_json(body)
        caller.deadline.left()
        return parse_stacks(payload, self._limits)

    def _answer(self, question: StackQuestion) -> bytes:
        client = self._symbolicating.client_for(question.caller)
        request, deadline = question.request, question.caller.deadline
        recalled = self._recall(request)
        places, found = self._look_up(client, question, recalled)
        results = list(map(decode_module_result, found.modules))
        if question.may_wait and (pending := _find_pending(results)):
            return self._put_off(question, pending)
        facts = self._load_facts(client, question, results)
        # The meaning of an address depends on the processor, and only the file names that.
        processors = _processors(facts)
        if processors != _processors(recalled) and find_places(request, processors) != places:
            places, found = self._look_up(client, question, facts)
        return write_completed(Answered(request, places, found, facts), deadline)

    def _look_up(
        self, client: Client, question: StackQuestion, facts: Sequence[Facts]
    ) -> tuple[list[list[Place]], EncodedAnswer]:
        request, deadline = question.request, question.caller.deadline
        places = find_places(request, _processors(facts))
        left = deadline.left()
        wait = None if question.timeout is None else min(question.timeout, left)
        report = PlacedReport(request, places)
        (result,) = client.symbolicate_many([report], wait, with_linkage_names=True, timeout=left)
        if result.encoded is None:
            raise result.error or SymbolonError("a result has an answer or an error")
        return places, result.encoded

    def _put_off(self, question: StackQuestion, pending: Sequence[ModuleResult]) -> bytes:
        """Hold a request, and return the answer that says so."""
        held_id = question.held_id or self._held.hold(question.body, question.caller.token)
        seconds = max(result.retry_after_seconds or 0 for result in pending)
        return write_pending(held_id, max(1, math.ceil(seconds)))

    def _recall(self, request: StackRequest) -> list[Facts]:
        """Return the remembered facts of the modules, which may have been found before."""
        each = (Asked(given.module, ModuleOutcome.FOUND) for given in request.modules)
        return [self._facts.find(asked) or NOTHING for asked in each]

    def _load_facts(
        self, client: Client, question: StackQuestion, results: Sequence[ModuleResult]
    ) -> list[Facts]:
        """Return the facts of the modules that frames refer to."""
        left = question.caller.deadline.left
        told = set(ModuleOutcome) - {ModuleOutcome.NOT_REFERENCED}
        if not question.request.with_candidates:
            told = {ModuleOutcome.FOUND}
        return [
            self._facts.load(Asked(given.module, result.outcome), client, left())
            if result.outcome in told
            else NOTHING
            for given, result in zip(question.request.modules, results, strict=True)
        ]


def _processors(facts: Sequence[Facts]) -> list[Processor]:
    return [one.processor for one in facts]


def _find_pending(results: Iterable[ModuleResult]) -> list[ModuleResult]:
    return [result for result in results if result.outcome is ModuleOutcome.PENDING]


def _read_timeout(text: str | None) -> int | None:
    """Return whole seconds; raise `Refused`."""
    if text is not None and not _SECONDS.fullmatch(text):
        raise Refused(400, "timeout must be a number of seconds")
    return None if text is None else int(text)


@dataclass(frozen=True, slots=True)
class PlacedReport:
    """The frames of a request where they are looked up."""

    request: StackRequest
    places: Sequence[Sequence[Place]]

    def encode(self) -> EncodedReport:
        """Return the report; an offset outside its module is sent as the last one there can be."""
        places = list(chain.from_iterable(self.places))
        indexes = [NO_MODULE if place.module is None else place.module for place in places]
        return EncodedReport(
            [encode_module(module.module) for module in self.request.modules],
            [len(stack) for stack in self.places],
            indexes,
            [MAX_ADDRESS if place.offset is None else place.offset for place in places],
            set(indexes),
        )
