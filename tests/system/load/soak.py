"""Faults at random under load, and what became of every call: `make soak`.

Run as `python -m tests.system.load.soak [SECONDS [cluster | sentinel]]`. Everything is real and on
loopback: two servers with three serving processes and two workers, a symbol server, a spool, and
two Redis servers, the store behind a proxy. With `cluster` the store is three primaries with a
replica each; with `sentinel` both servers have a replica and Sentinels. One fault at a time is made
to happen. Half of the time the store is full.
"""

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import psutil

from tests.app.conftest import environment_in, execute, starting, wait_until
from tests.fixtures.symbol_server import SymbolServer
from tests.system.conftest import SMALL_MEMORY, redis_pair_in, site_of
from tests.system.faults.store_faults import DEBUGGED
from tests.system.known_modules import Question, known_modules, unanswered_in
from tests.system.load.soak_faults import faults_of
from tests.system.load.soak_redis import KINDS, SoakRedis
from tests.system.traffic import Tally, Traffic

DEFAULT_SECONDS: Final = 600.0
DEADLINE_SECONDS: Final = 20.0
FAULT_SECONDS: Final = 0.7
CALM_SECONDS: Final = 0.7
FULL_FAULTS: Final = {"store LOADING", "store full of others' data"}
FULL_SHARE: Final = 0.6
"""Of what all modules take in the store: then it is full."""

WARM_UP_SHARE: Final = 1 / 3
"""After this part of the time memory is measured for the first time."""

MEGABYTE: Final = 1 << 20
AMPLE_BYTES: Final = 500 * MEGABYTE

MODULES: Final = known_modules(range(24))
SETTINGS: Final = {
    **SMALL_MEMORY,
    "unavailable_max_seconds": "5",
    "deadline_margin_seconds": "5",  # one may run beside much else
}


@dataclass(frozen=True, slots=True)
class Summary:
    """What a soak did and what it saw."""

    seconds: float
    faults: Mapping[str, int]
    tally: Tally
    bytes_before: int
    """Resident memory of the serving process that no fault kills, after the warm-up."""

    bytes_after: int
    """The same at the end."""

    def table(self) -> str:
        """Return the figures as a table in Markdown."""
        tally = self.tally
        rows = {
            "duration": f"{self.seconds:,.0f} s",
            "faults injected": f"{sum(self.faults.values()):,} of {len(self.faults)} kinds",
            "calls made": f"{tally.calls:,}",
            "calls failed": f"{tally.failed:,}",
            "frames asked": f"{tally.frames:,}",
            "frames answered wrongly": f"{tally.wrong:,}",
            "frames that said why they had no answer": f"{tally.unanswered:,}",
            "slowest call": f"{tally.slowest_seconds:.1f} s",
            "resident memory of a server before": f"{self.bytes_before / MEGABYTE:.0f} MiB",
            "resident memory of a server after": f"{self.bytes_after / MEGABYTE:.0f} MiB",
        }
        head = ["| figure | value |", "|---|---|"]
        return "\n".join([*head, *(f"| {name} | {value} |" for name, value in rows.items())])


class Soak:
    """Servers under load, and what is made to happen to them."""

    def __init__(self, servers: SoakRedis, random: Random) -> None:
        self._random = random
        self._servers = servers
        site, settings = servers.site, {**SETTINGS, **servers.urls}
        for module in MODULES:
            site.supplier.put(module.module_id, module.symbol_file())
        killed = site.serve("--worker", processes="2", **settings)
        self._spared = site.serve("--worker", spool_bytes="0", **settings)
        self._targets = [program.await_address() for program in (killed, self._spared)]
        self._clients = [site.connect_to(target) for target in self._targets]
        programs = [killed, self._spared]
        self._faults = list(faults_of(servers, programs, MODULES, random).items())

    def run(self, seconds: float, pause: float = 0.0) -> Summary:
        """Make faults happen for so long; return what was seen once all is well again.

        Each caller pauses so many seconds between calls.
        """
        start = time.monotonic()
        injected: Counter[str] = Counter()
        empty_bytes = self._servers.used_bytes()
        wait_until(self._is_well)
        taken_bytes = self._servers.used_bytes() - empty_bytes
        self._limits = [round(empty_bytes + FULL_SHARE * taken_bytes), AMPLE_BYTES]
        with ExitStack() as running:
            traffics = [
                running.enter_context(Traffic(each, MODULES, timeout=DEADLINE_SECONDS, pause=pause))
                for each in self._targets
            ]
            injected += self._inflict(traffics[0], start + seconds * WARM_UP_SHARE)
            bytes_before = self._resident_bytes()
            injected += self._inflict(traffics[0], start + seconds)
            self._servers.limit(AMPLE_BYTES)
            wait_until(self._is_well)
            bytes_after = self._resident_bytes()
        tally = Tally()
        for traffic in traffics:
            tally.join(traffic.take())
        return Summary(time.monotonic() - start, injected, tally, bytes_before, bytes_after)

    def _inflict(self, traffic: Traffic, end: float) -> Counter[str]:
        """Make one fault after the other happen; return how often each did."""
        injected: Counter[str] = Counter()
        while time.monotonic() < end:
            name, fault = self._random.choice(self._faults)
            # Some faults fill the store themselves.
            limits = [AMPLE_BYTES] if name in FULL_FAULTS else self._limits
            self._servers.limit(self._random.choice(limits))
            with fault():
                traffic.wait_for(FAULT_SECONDS)
            traffic.wait_for(CALM_SECONDS)
            injected[name] += 1
        return injected

    def _is_well(self) -> bool:
        """Tell whether each server answers for all modules."""
        question = Question(MODULES, [[self._random.randrange(60_000)] for _ in MODULES])
        answers = [client.symbolicate(*question.request()) for client in self._clients]
        return sum(map(unanswered_in, answers)) == 0

    def _resident_bytes(self) -> int:
        resident: int = psutil.Process(self._spared.process.pid).memory_info().rss
        return resident


@contextmanager
def soaked(folder: Path, seed: str, kind: str = "single") -> Iterator[Soak]:
    """Return a soak whose programs keep what they keep in `folder` and end with the context.

    `kind` says what the Redis servers are like.
    """
    random = Random(seed)
    with (
        ExitStack() as stack,
        redis_pair_in(folder / "redis") as pair,
        SymbolServer(folder / "symbol-server") as supplier,
        starting(environment_in(folder), folder, execute) as start,
    ):
        pair.stop("store")
        pair.start("store", **DEBUGGED)
        with site_of(pair, supplier, start, folder / "spool") as site:
            yield Soak(KINDS[kind](site, random, stack), random)


def main(arguments: Sequence[str]) -> int:
    """Run for as long as the arguments say and print the summary; 1 if it is not as promised."""
    seconds = float(arguments[0]) if arguments else DEFAULT_SECONDS
    with (
        tempfile.TemporaryDirectory(prefix="symbolon-soak-") as folder,
        soaked(Path(folder), str(time.time_ns()), *arguments[1:]) as soak,
    ):
        summary = soak.run(seconds)
    sys.stdout.write(summary.table() + "\n")
    sys.stdout.writelines(f"{problem}\n" for problem in summary.tally.problems)
    return int(summary.tally.failed + summary.tally.wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
