"""The `debug` of Eliot's version 5, as far as its fields mean something here.

A module is looked up in the tiers instead of one cache, and it is read while it is fetched: so
`downloads` holds both, and what Eliot spends on parsing and saving afterwards is zero.

    time            seconds, all jobs together
    cache_lookups   count: modules looked up; hits: those that were there; time: seconds
    downloads       count: modules that had to be fetched; size, time, and the same per module;
                    fail_time_per_module: those that could not be had
    parse_sym, save_symcache   time: 0.0
    modules         count; stacks_per_module: in how many jobs each was looked up
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from symbolon._messages.answers import EncodedAnswer
from symbolon._messages.wire import decode_diagnostics, decode_enum
from symbolon.client import Client
from symbolon.results import Diagnostics, ModuleDiagnostics, ModuleOutcome
from symbolon._tecken.jobs import JobModule, TeckenRequest


class _Looked(NamedTuple):
    """One module that was looked up for one job."""

    module: JobModule
    outcome: ModuleOutcome
    diagnostics: ModuleDiagnostics

    @property
    def name(self) -> str:
        return f"{self.module.module.debug_file}/{self.module.module.debug_id}"


SecondsLeft = Callable[[], float | None]
"""How long the next call may take, `None` for the client's own timeout; raises `SymbolonError`
where no more calls are to be made."""


def count_debug(
    client: Client,
    request: TeckenRequest,
    answers: Sequence[EncodedAnswer],
    seconds_left: SecondsLeft = lambda: None,
) -> dict[str, Any]:
    """Return the object; asks the server for the sizes of modules that were fetched, one by one."""
    each = [decode_diagnostics(answer.diagnostics) for answer in answers]
    looked = list(_find_looked(request, answers, each))
    times = Counter(one.name for one in looked)
    return {
        "time": sum(one.seconds for one in each),
        "cache_lookups": {
            "count": len(looked),
            "hits": sum(not one.diagnostics.is_ingest_requested for one in looked),
            "time": sum(tier.seconds or 0.0 for one in each for tier in one.tiers),
        },
        "downloads": _count_downloads(
            client, [one for one in looked if one.diagnostics.is_ingest_requested], seconds_left
        ),
        "parse_sym": {"time": 0.0},
        "save_symcache": {"time": 0.0},
        "modules": {"count": times.total(), "stacks_per_module": dict(times)},
    }


def _find_looked(
    request: TeckenRequest, answers: Sequence[EncodedAnswer], each: Sequence[Diagnostics]
) -> Iterator[_Looked]:
    for job, answer, diagnostics in zip(request.jobs, answers, each, strict=True):
        rows = zip(job.modules, answer.modules, diagnostics.modules, strict=True)
        for module, result, facts in rows:
            outcome = decode_enum(ModuleOutcome, result.outcome)
            if outcome is not ModuleOutcome.NOT_REFERENCED and module.is_named:
                yield _Looked(module, outcome, facts)


def _count_downloads(
    client: Client, fetched: Sequence[_Looked], seconds_left: SecondsLeft
) -> dict[str, Any]:
    sizes, seconds, failed = {}, {}, {}
    for one in fetched:
        if one.outcome is not ModuleOutcome.FOUND:
            failed[one.name] = one.diagnostics.waited_seconds
            continue
        asked = one.module.asked
        timeout = seconds_left()
        held = client.get_module(asked.debug_file, asked.debug_id, timeout=timeout).held
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
