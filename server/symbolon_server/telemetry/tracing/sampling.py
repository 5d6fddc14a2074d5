"""Which traces are sampled: the samplers that OpenTelemetry has names for."""

from collections.abc import Callable
from typing import Final

from symbolon_server.telemetry.tracing.contexts import SpanContext

DEFAULT_SAMPLER: Final = "parentbased_always_on"

_PARENT_BASED: Final = "parentbased_"
_BITS: Final = 64

Sample = Callable[[SpanContext | None, int], bool]
"""Decides by the caller's context, if there is one, and the id of the trace."""


def find_sampler(name: str, argument: str = "") -> Sample:
    """Return the sampler of this name; raise `ValueError` for another name.

    `argument` is the share of traces that `traceidratio` samples, all without one.
    """
    is_parent_based = name.startswith(_PARENT_BASED)
    decide = _find_root(name.removeprefix(_PARENT_BASED), argument)

    def sample(caller: SpanContext | None, trace_id: int) -> bool:
        if caller is not None and is_parent_based:
            return caller.is_sampled
        return decide(trace_id)

    return sample


def _find_root(name: str, argument: str) -> Callable[[int], bool]:
    if name == "always_on":
        return lambda _: True
    if name == "always_off":
        return lambda _: False
    if name != "traceidratio":
        raise ValueError(f"{name!r} is not a sampler")
    share = float(argument or 1.0)
    if not 0 <= share <= 1:
        raise ValueError(f"{argument!r} is not a share of 1")
    # All programs that see a trace decide the same.
    bound = round(share * 2**_BITS)
    return lambda trace_id: trace_id % 2**_BITS < bound
