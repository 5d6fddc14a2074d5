"""What the forms of numbered lines have in common."""

from __future__ import annotations

import re

_BUILD_ID = re.compile(r"\(BuildId: ([0-9A-Fa-f]{2,255})\)")


def cut_build_id(text: str) -> tuple[str, str]:
    """Return a line's end without its `(BuildId: …)`, and the build id; empty if it has none."""
    rest, found, last = text.rstrip().rpartition("(BuildId: ")
    build_id = _BUILD_ID.fullmatch(found + last)
    return (rest.rstrip(), build_id[1]) if build_id else (text.rstrip(), "")
