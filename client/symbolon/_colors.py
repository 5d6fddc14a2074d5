"""Colours of a terminal, as plain escape sequences."""

import os
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Colors:
    """What stands before each kind of text, and after it; empty without colours."""

    function: str = ""
    source: str = ""
    faint: str = ""
    trouble: str = ""
    heading: str = ""
    end: str = ""

    def paint(self, text: str, color: str) -> str:
        """Return the text in a colour of these."""
        return f"{color}{text}{self.end}"


PLAIN = Colors()
COLORFUL = Colors(
    function="\x1b[1m",
    source="\x1b[36m",
    faint="\x1b[2m",
    trouble="\x1b[33m",
    heading="\x1b[1;34m",
    end="\x1b[0m",
)


def choose_colors(wanted: str) -> Colors:
    """Return the colours for standard output: `auto`, `always` or `never`.

    `NO_COLOR` in the environment turns off what was not asked for (no-color.org).
    """
    is_automatic = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return COLORFUL if wanted == "always" or (wanted == "auto" and is_automatic) else PLAIN
