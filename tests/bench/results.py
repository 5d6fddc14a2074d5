"""What a part of the benchmarks found: tables, bars and curves, as plain values."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Self

Cell = str | float
"""A word or a number; text that holds numbers only where it holds two of them."""


@dataclass(frozen=True, slots=True)
class Table:
    """Absolute figures and ratios, one row for each thing measured."""

    title: str
    columns: Sequence[str]
    """With the unit of the numbers below."""

    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure with the limit that it is held to."""

    what: str
    figure: float
    limit: float
    is_floor: bool
    """Whether the figure must reach the limit; otherwise it must not exceed it."""

    @property
    def is_met(self) -> bool:
        """Whether the figure is on the right side of its limit."""
        return self.figure >= self.limit if self.is_floor else self.figure <= self.limit


@dataclass(frozen=True, slots=True)
class Plot:
    """Curves over one axis; with `is_log` both axes are logarithmic."""

    name: str
    title: str
    x_label: str
    y_label: str
    curves: Mapping[str, Sequence[tuple[float, float]]]
    is_log: bool = False


@dataclass(frozen=True, slots=True)
class PartResult:
    """Everything that one part found."""

    part: str
    tables: Sequence[Table]
    bars: Sequence[Bar] = ()
    plots: Sequence[Plot] = ()
    notes: Sequence[str] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    """The machine, the time, the symbol files; filled in where the part is run."""

    def write(self, path: Path) -> None:
        """Write the result as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the result that `write` wrote."""
        found = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            part=found["part"],
            tables=[Table(**table) for table in found["tables"]],
            bars=[Bar(**bar) for bar in found["bars"]],
            plots=[Plot(**plot) for plot in found["plots"]],
            notes=found["notes"],
            about=found["about"],
        )


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median over the rounds of `ours / theirs`.

    Each round is divided by its own, so that what disturbs the machine for a while disturbs
    both sides of a ratio.
    """
    return median(our / their for our, their in zip(ours, theirs, strict=True))


def median_of(samples: Sequence[Any], figure: Callable[[Any], float]) -> float:
    """Return the median of one figure of the samples."""
    return median(figure(sample) for sample in samples)


def show(cell: Cell) -> str:
    """Return a cell for people: numbers with three or more digits that mean something."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int):
        return f"{cell:,}"
    if cell == 0 or abs(cell) >= 100:
        return f"{cell:,.0f}"
    digits = 3 if abs(cell) < 1 else 2 if abs(cell) < 10 else 1
    return f"{cell:.{digits}f}" if abs(cell) >= 0.01 else f"{cell:.2g}"
