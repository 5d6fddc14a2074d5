"""How much is measured: everything that a run can be made longer or shorter by."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from tests.bench.world.symbol_files import SymbolFile

T = TypeVar("T")

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """Counts and times of one run; the defaults are what published figures are made with."""

    rounds: int = 5
    load_seconds: float = 2.0
    """For how long a server is loaded in each round."""

    call_seconds: float = 0.3
    """For how long single calls are repeated in each round, a few at least."""

    quiet_seconds: float = 3.0
    """After which a server has given back what a load has left free."""

    generated_bytes: Sequence[int] = (60 * MB, 22 * MB, 12 * MB, 4 * MB, 2 * MB)
    """Sizes of the symbol files that are generated where none are given."""

    hot_frames: Sequence[int] = (1, 50, 1_000, 20_000)
    stream_frames: Sequence[int] = (50, 1_000)
    small_modules: int = 60
    warm_states: int = 25
    """How often a call meets modules that the server has never seen."""

    lookups: int = 20_000
    fresh_frames: Sequence[int] = (50, 1_000)
    fresh_held: int = 20_000
    fresh_stored: int = 5_000
    """Frames asked for in each round, of pages in memory, and of those that are not."""

    gateway_frames: Sequence[int] = (50, 1_000)
    gateway_new: int = 200_000
    """Frames of the bodies that are each sent once in a round."""

    gateway_large_bytes: int = 3 * MB
    scale_frames: Sequence[int] = (1_000, 3_000, 10_000, 30_000, 100_000)
    """In whole stacks of 40."""

    scale_modules: Sequence[int] = (1, 10, 100, 1_000)
    scale_pages: Sequence[int] = (1, 10, 100, 1_000)
    hit_lookups: int = 1_000_000
    hit_long_lookups: int = 10_000_000
    hit_builds: int = 60
    hit_modules: int = 60
    hit_sample_keys: int = 5_000
    """How many keys tell what one takes."""

    hit_exponents: Sequence[float] = (1.0, 1.15, 1.3, 1.5)
    hit_sizes: Sequence[float] = (74, 148, 300, 500, 742, 1_200)
    """In MB, as all sizes of stores."""

    hit_long_sizes: Sequence[float] = (148, 300, 500)
    hit_real_sizes: Sequence[float] = (148, 300, 500, 742)
    hit_real_seconds: float = 300.0
    are_native_files_large: bool = True
    day_reports: int = 20_000
    day_modules: int = 200


QUICK = Plan(
    rounds=1,
    load_seconds=0.05,
    call_seconds=0.0,
    quiet_seconds=0.0,
    generated_bytes=(400_000, 40_000),
    hot_frames=(1, 50),
    stream_frames=(50,),
    small_modules=3,
    warm_states=2,
    lookups=200,
    fresh_frames=(50,),
    fresh_held=100,
    fresh_stored=50,
    gateway_frames=(50,),
    gateway_new=500,
    gateway_large_bytes=50_000,
    scale_frames=(80, 160),
    scale_modules=(1, 3),
    scale_pages=(1, 3),
    hit_lookups=1_000,
    hit_long_lookups=2_000,
    hit_builds=3,
    hit_modules=4,
    hit_sample_keys=200,
    hit_exponents=(1.15,),
    hit_sizes=(0.1, 0.2),
    hit_long_sizes=(0.2,),
    hit_real_sizes=(0.2,),
    hit_real_seconds=0.0,
    are_native_files_large=False,
    day_reports=40,
    day_modules=5,
)
"""Shows that everything works; its figures mean nothing."""


class Progress(Protocol):
    """Tells a person how far a part is."""

    def begin(self, label: str, steps: int) -> None:
        """Say what comes now and how many steps it has."""

    def advance(self) -> None:
        """Say that a step is done."""


class Silence:
    """Tells nobody."""

    def begin(self, label: str, steps: int) -> None:
        """Say nothing."""

    def advance(self) -> None:
        """Say nothing."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What every part is given."""

    files: Sequence[SymbolFile]
    """The largest first."""

    plan: Plan = field(default_factory=Plan)
    progress: Progress = field(default_factory=Silence)

    def rounds(self, label: str, measures: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
        """Return the samples of each measure, taken in turn: A B, A B, A B."""
        samples: dict[str, list[T]] = {name: [] for name in measures}
        self.progress.begin(label, self.plan.rounds * len(measures))
        for _ in range(self.plan.rounds):
            for name, measure in measures.items():
                samples[name].append(measure())
                self.progress.advance()
        return samples
