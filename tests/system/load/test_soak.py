"""Short soaks, of which `make soak` is the long form."""

from pathlib import Path

import pytest

from tests.system.load.soak import MEGABYTE, soaked

SECONDS = 12.0
PAUSE_SECONDS = 0.05
"""Between calls, so that tests beside these have a core; those of `make soak` have no pause."""

FAILOVER_SECONDS = 40.0
"""With servers that take seconds to be replaced."""

ANSWERED_FRAMES = 6_000
"""No share of all: calls that only say why they have no answer are quick, so there are more of them
the longer a store is down.
"""

GROWTH_BYTES = 40 * MEGABYTE
"""Of a server that is hardly warm after a few seconds; ten minutes grow no more than this."""


@pytest.mark.promise("Random faults under load fail no call, change no answer, leak no memory")
@pytest.mark.timeout(300)
def test_faults_at_random_fail_no_call_change_no_answer_and_leak_no_memory(
    tmp_path: Path,
) -> None:
    check(tmp_path, "single", SECONDS)


@pytest.mark.soak
@pytest.mark.promise("Random faults under load fail no call, change no answer, leak no memory")
@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", ["cluster", "sentinel"])
def test_so_it_is_with_servers_that_replace_each_other(tmp_path: Path, kind: str) -> None:
    check(tmp_path, kind, FAILOVER_SECONDS)


def check(folder: Path, kind: str, seconds: float) -> None:
    """Soak servers of some kind, and check what came of it."""
    with soaked(folder, seed="short", kind=kind) as soak:
        summary = soak.run(seconds, PAUSE_SECONDS)
    summary.tally.check()
    assert summary.tally.frames - summary.tally.unanswered > ANSWERED_FRAMES
    assert sum(summary.faults.values()) > 3
    assert summary.bytes_after - summary.bytes_before < GROWTH_BYTES
