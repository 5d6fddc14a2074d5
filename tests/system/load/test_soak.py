"""A short soak, of which `make soak` is the long form."""

from pathlib import Path

import pytest

from tests.system.load.soak import MEGABYTE, soaked

pytestmark = pytest.mark.alone

SECONDS = 12.0
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
    with soaked(tmp_path, seed="short") as soak:
        summary = soak.run(SECONDS)
    summary.tally.check()
    assert summary.tally.frames - summary.tally.unanswered > ANSWERED_FRAMES
    assert sum(summary.faults.values()) > 3
    assert summary.bytes_after - summary.bytes_before < GROWTH_BYTES
