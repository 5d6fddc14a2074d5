"""The `debug` of Eliot's version 5, as far as its fields apply.

Modules are looked up in tiers instead of one cache, and read while they are fetched: `downloads`
covers both, and the times that Eliot spends on parsing and saving afterwards are zero.

    time            seconds, all jobs together
    cache_lookups   count: modules looked up, each once however many jobs name it; hits: those
                    present, or remembered as missing; time: seconds
    downloads       count: modules that had to be fetched; size, time, and both per module;
                    fail_time_per_module: those whose fetch failed
    parse_sym, save_symcache   time: 0.0
    modules         count; stacks_per_module: in how many jobs each was looked up
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from symbolon._messages.answers import EncodedAnswer
from symbolon._messages.decoding import decode, decode_enum
from symbolon._tecken.jobs import JobModule, TeckenRequest
from symbolon.client import Client
from symbolon.results import Diagnostics, ModuleDiagnostics, ModuleOutcome


class _Lookup(NamedTuple):
    """One module looked up for one job."""

    module: JobModule
    outcome: ModuleOutcome
    diagnostics: ModuleDiagnostics

    @property
    def name(self) -> str:
        return f"{self.module.module.debug_file}/{self.module.module.debug_id}"


SecondsLeft = Callable[[], float | None]
"""Returns the timeout of the next call, `None` for the client's own; raises `SymbolonError` if no
more calls may be made."""


def count_debug(
    client: Client,
    request: TeckenRequest,
    answers: Sequence[EncodedAnswer],
    seconds_left: SecondsLeft = lambda: None,
) -> dict[str, Any]:
    """Return the object; calls the server once for each module that was fetched, for its size."""
    each = [decode(Diagnostics, answer.diagnostics) for answer in answers]
    lookups = list(_find_lookups(request, answers, each))
    times = Counter(one.name for one in lookups)
    fetched = {one.name: one for one in lookups if one.diagnostics.is_ingest_requested}
    return {
        "time": sum(one.seconds for one in each),
        "cache_lookups": {
            "count": len(times),
            "hits": len(times) - len(fetched),
            "time": sum(tier.seconds or 0.0 for one in each for tier in one.tiers),
        },
        "downloads": _count_downloads(client, list(fetched.values()), seconds_left),
        "parse_sym": {"time": 0.0},
        "save_symcache": {"time": 0.0},
        "modules": {"count": times.total(), "stacks_per_module": dict(times)},
    }


def _find_lookups(
    request: TeckenRequest, answers: Sequence[EncodedAnswer], each: Sequence[Diagnostics]
) -> Iterator[_Lookup]:
    for job, answer, diagnostics in zip(request.jobs, answers, each, strict=True):
        rows = zip(job.modules, answer.modules, diagnostics.modules, strict=True)
        for module, result, facts in rows:
            outcome = decode_enum(ModuleOutcome, result.outcome)
            if outcome is not ModuleOutcome.NOT_REFERENCED and module.is_named:
                yield _Lookup(module, outcome, facts)


def _count_downloads(
    client: Client, fetched: Sequence[_Lookup], seconds_left: SecondsLeft
) -> dict[str, Any]:
    sizes, seconds, failed = {}, {}, {}
    for one in fetched:
        if one.outcome is not ModuleOutcome.FOUND:
            failed[one.name] = one.diagnostics.waited_seconds
            continue
        sent = one.module.sent
        timeout = seconds_left()
        info = client.get_module(
            sent.debug_file,
            sent.debug_id,
            code_file=sent.code_file,
            code_id=sent.code_id,
            timeout=timeout,
        )
        held = info.held
        sizes[one.name] = 0 if held is None else held.fetched_bytes
        seconds[one.name] = 0.0 if held is None else held.ingest_seconds
    return {
        "count": len(fetched),
        "size": sum(sizes.values()),
        "time": sum(seconds.values()),
        "size_per_module": sizes,
        "time_per_module": seconds,
        "fail_time_per_module": failed,
    }
