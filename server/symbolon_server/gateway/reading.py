"""A body of JSON as a request, refused by the limits of the API before it is cut into calls."""

import json
from dataclasses import dataclass
from typing import Any

from symbolon import InvalidReportError
from symbolon._tecken.jobs import TeckenRequest
from symbolon._tecken.requests import parse_request
from symbolon_server.gateway.deadline import Deadline

_PARTS = b"[", b"{", b","
_PARTS_A_FRAME = 5
"""Three of its own, and two of a stack where each has one frame."""

_PARTS_A_MODULE = 50
"""Three of its own, ten of a job with no other module; the rest in its debug file's name."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """How much one body may ask for, all its jobs together."""

    max_modules: int
    """Also the most jobs, for those that ask nothing cost something too."""

    max_frames: int
    """Also the most stacks."""

    @property
    def max_parts(self) -> int:
        """The most brackets, braces and commas that such a body has."""
        return _PARTS_A_MODULE * self.max_modules + _PARTS_A_FRAME * self.max_frames


def read_request(
    body: bytes, version: int, limits: BodyLimits, deadline: Deadline, *, is_strict: bool = False
) -> TeckenRequest:
    """Return what a body asks; raise `InvalidReportError` or `DeadlineError`.

    `is_strict` refuses a body for a module or frame that cannot be asked, as Eliot does.
    """
    deadline.left()
    _refuse_many_parts(body, limits)
    payload = _load(body)
    deadline.left()
    _refuse_excess(payload, version, limits)
    return parse_request(payload, version=version, is_strict=is_strict)


def _refuse_many_parts(body: bytes, limits: BodyLimits) -> None:
    """Raise `InvalidReportError` where the JSON has more parts than any body within the limits.

    Looked at before it is parsed, which takes up to a hundred times the time and memory. What
    counts as a part within a name is allowed for.
    """
    parts = sum(map(body.count, _PARTS))
    limit = limits.max_parts
    if parts > limit:
        raise InvalidReportError(f"Payload has {parts} parts, more than the {limit} of any report")


def _load(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidReportError("Payload is not valid JSON") from None


def _refuse_excess(payload: object, version: int, limits: BodyLimits) -> None:
    jobs = _jobs_in(payload, version)
    stacks = [stack for job in jobs for stack in _list_in(job, "stacks")]
    counts = (
        ("jobs", len(jobs), limits.max_modules),
        ("memoryMap", sum(len(_list_in(job, "memoryMap")) for job in jobs), limits.max_modules),
        ("stacks", len(stacks), limits.max_frames),
        ("frames", sum(map(_length, stacks)), limits.max_frames),
    )
    for name, count, limit in counts:
        if count > limit:
            raise InvalidReportError(f"{name}: {count} in all, the limit is {limit}")


def _jobs_in(payload: object, version: int) -> list[object]:
    """Return the jobs, as far as they are where they belong; the rest is refused later."""
    is_list = version == 5 and isinstance(payload, dict) and "jobs" in payload  # noqa: PLR2004
    return _list_in(payload, "jobs") if is_list else [payload]


def _list_in(job: object, key: str) -> list[object]:
    value = job.get(key) if isinstance(job, dict) else None
    return value if isinstance(value, list) else []


def _length(stack: object) -> int:
    return len(stack) if isinstance(stack, list) else 0
