"""Which suppliers are left alone for a while because they fail."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Pause:
    """A time in which a supplier is not asked."""

    seconds: float
    """Until it is asked again."""

    detail: str
    """How it failed last, in one line for a person."""


class Pauses(Protocol):
    """What is known of the health of suppliers, by their names."""

    def find(self, supplier: str) -> Pause | None:
        """Return the pause that holds now; None lets the caller ask and tell what came of it."""

    def end(self, supplier: str) -> None:
        """Note that the supplier answered properly, be it with a no."""

    def note_failure(
        self, supplier: str, detail: str, retry_after_seconds: float | None = None
    ) -> None:
        """Note that the supplier failed, and when to try again where it told."""


class NoPauses:
    """Lets everybody ask at any time."""

    def find(self, supplier: str) -> Pause | None:  # noqa: ARG002 - as in the Protocol
        """Return that there is no pause."""
        return None

    def end(self, supplier: str) -> None:
        """Note nothing."""

    def note_failure(
        self, supplier: str, detail: str, retry_after_seconds: float | None = None
    ) -> None:
        """Note nothing."""
