"""The hit ratio's workload as keys of stores: what is asked for, when, and what each key takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.bench.hit_ratios.sizes import SEED, ModuleSizes
from tests.bench.world.workload import Numbers, Workload

PACE_SECONDS: Final = 3_600.0
"""For how long each build is the newest, unless all is made to go faster."""

Keys = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Load:
    """What tells one workload from another."""

    exponent: float
    lookups: int
    builds: int
    is_drawn_anew: bool = False
    build_seconds: float = PACE_SECONDS


@dataclass(frozen=True)
class World:
    """All modules of all builds, numbered through: `build * len(files) + file`.

    The keys of one module follow on each other: its directory, its dictionary, its pages.
    """

    files: Sequence[ModuleSizes]
    """The debug files, which every build has a module of."""

    builds: int
    key_bytes: float
    """What a key takes beside its value."""

    @cached_property
    def pages(self) -> Numbers:
        """Shape (files,): how many pages each has."""
        return np.array([len(file.pages) for file in self.files])

    @cached_property
    def directories(self) -> Numbers:
        """Shape (builds * files,): the key of each module's directory."""
        counts = np.tile(self.pages + 2, self.builds)
        return np.cumsum(counts) - counts

    @cached_property
    def page_sizes(self) -> Keys:
        """Shape (keys,): what each takes in a store that keeps pages."""
        sizes = [[file.directory, file.dictionary, *file.pages] for file in self.files]
        return self._with_keys(np.concatenate(sizes))

    @cached_property
    def whole_sizes(self) -> Keys:
        """Shape (builds * files,): what each module takes as one key."""
        return self._with_keys([file.whole for file in self.files])

    @cached_property
    def name_sizes(self) -> Keys:
        """Shape (builds * files,): what each module takes as one key that holds names only."""
        return self._with_keys([file.names for file in self.files])

    @cached_property
    def has_dictionary(self) -> NDArray[np.bool_]:
        """Shape (files,): whether the pages of each need a dictionary."""
        return np.array([file.dictionary > 0 for file in self.files])

    def _with_keys(self, sizes: Sequence[int] | Numbers) -> Keys:
        return np.tile(np.round(np.asarray(sizes) + self.key_bytes), self.builds).astype(np.int32)


@dataclass(frozen=True, slots=True)
class Lookups:
    """Lookups in the order of time; all columns have shape (lookups,)."""

    second: Keys
    module: Keys
    file: Keys
    function: Keys
    directory: Keys
    dictionary: Keys
    """The directory's key where pages need no dictionary."""

    page: Keys
    page_number: Keys

    def __len__(self) -> int:
        return len(self.module)

    @classmethod
    def draw(cls, world: World, load: Load) -> "Lookups":
        """Return the lookups of a load."""
        drawn = Workload.draw(
            np.random.default_rng(SEED),
            load.lookups,
            load.builds,
            [file.pages_of_functions for file in world.files],
            load.exponent,
            is_drawn_anew=load.is_drawn_anew,
        )
        module = drawn.build * len(world.files) + drawn.module
        directory = world.directories[module]
        seconds = np.arange(load.lookups) * (load.build_seconds * load.builds / load.lookups)
        columns = (
            seconds,
            module,
            drawn.module,
            drawn.function,
            directory,
            directory + world.has_dictionary[drawn.module],
            directory + 2 + drawn.page,
            drawn.page,
        )
        return cls(*(column.astype(np.int32) for column in columns))
