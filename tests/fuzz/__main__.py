"""Fuzzes all targets, one after the other: python -m tests.fuzz [TARGET ...]

FUZZ_SECONDS is how long each is fuzzed. What is found is in .cache/fuzz, as are the inputs that
the next run begins with.
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.fuzz.targets import TARGETS

FOLDER = Path(".cache/fuzz")


def main(names: list[str]) -> int:
    """Fuzz these targets, or all; return 1 if any broke."""
    seconds = os.environ.get("FUZZ_SECONDS", "60")
    unknown = set(names) - TARGETS.keys()
    if unknown or not seconds.isdecimal():
        print(f"FUZZ_SECONDS is a number, TARGET one of: {', '.join(TARGETS)}")
        return 2
    broken = [name for name in names or TARGETS if not fuzz(name, seconds)]
    print(
        f"broken: {', '.join(broken)}; the inputs are in {FOLDER}" if broken else "none is broken"
    )
    return int(bool(broken))


def fuzz(name: str, seconds: str) -> bool:
    """Return whether a target withstood."""
    print(f"== {name} for {seconds} s", flush=True)
    command = [sys.executable, "-m", "tests.fuzz.fuzzer", name, seconds, str(FOLDER / name)]
    return subprocess.run(command, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
