"""What a span costs a hot call; `-m bench --log-cli-level=info` shows the ratios."""

import logging
import statistics
import time

import pytest

from symbolon import Frame, Module
from tests.app.conftest import Program
from tests.system.conftest import Site
from tests.system.tracing.conftest import TRACED, put_module
from tests.telemetry.tracing.collector import Collector, GotSpan

CALLS = 1_000
ROUNDS = 9
MOST = 1.10

_log = logging.getLogger(__name__)

_ALL_THREADS = 2
"""Of a process clock: the time for which its threads ran."""


def processor_seconds(program: Program) -> float:
    return time.clock_gettime_ns(~program.process.pid << 3 | _ALL_THREADS) / 1e9


@pytest.mark.bench
@pytest.mark.parametrize("frames", [1, 50, 1_000])
def test_a_sampled_call_takes_little_more_processor_time_than_an_unsampled_one(
    traced_site: Site, collector: Collector, frames: int
) -> None:
    """Both are for the same server in the same run, in turn; sending the spans is included."""
    traced_site.work()
    server = traced_site.serve(log_level="warning", **TRACED)
    client = traced_site.connect(server)
    module_id = put_module(traced_site, 100 + frames)
    modules = [Module(module_id.debug_file, module_id.debug_id)]
    stacks = [[Frame(0, number % 96) for number in range(frames)]]
    client.symbolicate(modules, stacks)

    def call(trace_id: str, flags: str) -> float:
        caller = client._with_metadata(("traceparent", f"00-{trace_id}-{'1' * 16}-{flags}"))
        start = processor_seconds(server)
        for _ in range(CALLS):
            caller.symbolicate(modules, stacks)
        if flags == "01":
            collector.wait(lambda spans: arrived(spans, trace_id) == CALLS)
        return processor_seconds(server) - start

    ratios = []
    for number in range(ROUNDS):
        trace_id = f"{frames:016x}{number + 1:016x}"
        ratios.append(call(trace_id, "01") / call(trace_id, "00"))
    _log.info("%d frames: %.3f of %s", frames, statistics.median(ratios), sorted(ratios))
    assert statistics.median(ratios) < MOST


def arrived(spans: list[GotSpan], trace_id: str) -> int:
    return sum(span.trace_id == trace_id for span in spans)
