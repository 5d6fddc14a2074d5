"""How much a payload asks for, counted before it is read."""

from __future__ import annotations

from typing import NamedTuple

from symbolon._tecken.jobs import V5


class Counts(NamedTuple):
    """How many of each there are."""

    jobs: int = 0
    modules: int = 0
    stacks: int = 0
    frames: int = 0

    def plus(self, other: Counts) -> Counts:
        """Return the sum of both."""
        return Counts(*map(sum, zip(self, other, strict=True)))


def count_payload(payload: object, version: int) -> Counts:
    """Return what can be counted; what is invalid is refused later."""
    jobs = _jobs_in(payload, version)
    stacks = [stack for job in jobs for stack in _list_in(job, "stacks")]
    return Counts(
        len(jobs),
        sum(len(_list_in(job, "memoryMap")) for job in jobs),
        len(stacks),
        sum(len(stack) for stack in stacks if isinstance(stack, list)),
    )


def _jobs_in(payload: object, version: int) -> list[object]:
    is_list = version == V5 and isinstance(payload, dict) and "jobs" in payload
    return _list_in(payload, "jobs") if is_list else [payload]


def _list_in(job: object, key: str) -> list[object]:
    value = job.get(key) if isinstance(job, dict) else None
    return value if isinstance(value, list) else []
