"""Counts what was answered."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from symbolon_server.symbolication.memory.queries import (
    FrameOutcome,
    ModuleOutcome,
    Symbolication,
    TierName,
)
from symbolon_server.telemetry.metrics import (
    BEFORE_READING,
    CALL_WAIT_SECONDS,
    FRAMES,
    LOOKUPS,
    MODULES,
)
from symbolon_server.telemetry.tallies import Tally

_REMEMBERED = FRAMES.labels("remembered")
_FRAMES = {int(outcome): FRAMES.labels(outcome.name.lower()) for outcome in FrameOutcome}
_MODULES = {outcome: MODULES.labels(outcome.name.lower()) for outcome in ModuleOutcome}
_HITS = {tier: LOOKUPS.labels(tier.name.lower(), "hit") for tier in TierName}
_MISSES = {tier: LOOKUPS.labels(tier.name.lower(), "miss") for tier in TierName}


class _Recalled(NamedTuple):
    """An answer of remembered frames; of numbers alone, which the garbage collector passes by."""

    frames: int
    modules: int
    found: int
    """Modules that frames name: all of them are found."""


def count_symbolication(answer: Symbolication) -> None:
    """Count the frames, modules and lookups of one answer.

    Frames that are remembered are told apart no further: that would cost each call a look at each
    frame.
    """
    if answer.is_recalled:
        frames, found = answer.diagnostics.frames, len(answer.results)
        _RECALLED.note(_Recalled(frames, answer.modules, found))
    else:
        _count_looked_up(answer)


def _count_recalled(answers: Sequence[_Recalled]) -> None:
    frames, modules, found = map(sum, zip(*answers, strict=True))
    _REMEMBERED.inc(frames)
    _HITS[TierName.FRAMES].inc(frames)
    _MODULES[ModuleOutcome.FOUND].inc(found)
    _MODULES[ModuleOutcome.NOT_REFERENCED].inc(modules - found)


_RECALLED = Tally(_count_recalled, BEFORE_READING)


def _count_looked_up(answer: Symbolication) -> None:
    outcomes = answer.diagnostics.outcomes
    _REMEMBERED.inc(answer.diagnostics.frames - sum(outcomes.values()))
    for frame_outcome, frames in outcomes.items():
        _FRAMES[frame_outcome].inc(frames)
    if answer.diagnostics.waited_seconds is not None:
        CALL_WAIT_SECONDS.observe(answer.diagnostics.waited_seconds)
    results = Counter([result.outcome for result in answer.results.values()])
    if answer.modules > len(answer.results):
        results[ModuleOutcome.NOT_REFERENCED] = answer.modules - len(answer.results)
    for outcome, count in results.items():
        _MODULES[outcome].inc(count)
    for tier, counts in answer.diagnostics.tiers.items():
        if counts.hits:
            _HITS[tier].inc(counts.hits)
        if counts.lookups > counts.hits:
            _MISSES[tier].inc(counts.lookups - counts.hits)
