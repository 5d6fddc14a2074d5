"""Fail if a tracked text contains a word or phrase that this project does not use.

    scripts/check_words.py

Whole words, as written: `is none` is refused, `is None` is Python. Names are made of words, too.
What to write instead stands beside each. Generated code, test data, this file and its
test are not read.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

WORDS = {
    "mend": "fix",
    "mends": "fixes",
    "mended": "fixed",
    "vouch": "CA, certificate authority",
    "vouches": "CA, certificate authority",
    "who asks": "the caller, for debugging",
    "who calls": "the caller",
    "who wonders": "anyone who wonders",
    "for who": "for anyone who, for clients that",
    "of who": "of the caller",
    "strange": "unknown, unexpected",
    "stranger": "unknown caller, untrusted client",
    "strangers": "unknown callers, untrusted clients",
    "is none": "is absent, or None",
    "for the sake of": "so that, for",
    "be it": "whether",
    "let others in": "TLS and authentication",
    "gone on with": "resumed",
    "work horse": "ingest process",
}
"""Words that are not to come back, and what to write instead."""

_NOT_READ = (
    "tests/data/",
    "client/symbolon/v1/",
    "tests/bench/results/",
    "scripts/check_words.py",
    "tests/project/test_words.py",
)
_TEXTS = {".py", ".md", ".proto", ".yaml", ".yml", ".toml", ".conf", ".html", ".sh", ""}
_SPACE = r"(?:_|\s+(?:# )?)"
"""Between words: in a name, in a line, or at the end of a line of a comment."""

_ANY = "|".join(word.replace(" ", _SPACE) for word in WORDS)
_FOUND = re.compile(rf"(?<![A-Za-z])(?:{_ANY})(?![A-Za-z])")


def main() -> int:
    """Print what was found; return 1 if there was anything."""
    found = [line for path in tracked_texts() for line in find_words(path)]
    print("\n".join(found), end="\n" if found else "", file=sys.stderr)
    return int(bool(found))


def tracked_texts() -> Iterator[Path]:
    """Yield the files that are read."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
    for name in listing.stdout.decode().split("\0"):
        path = ROOT / name
        if name and path.suffix in _TEXTS and not name.startswith(_NOT_READ) and path.is_file():
            yield path


def find_words(path: Path) -> Iterator[str]:
    """Yield a line for each word of a file."""
    text = path.read_text(encoding="utf-8", errors="replace")
    for found in _FOUND.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        word = re.sub(_SPACE, " ", found[0])
        yield f"{path.relative_to(ROOT)}:{line}: “{word}”: write {WORDS[word]}"


if __name__ == "__main__":
    sys.exit(main())
