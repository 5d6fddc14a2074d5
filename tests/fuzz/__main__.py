"""Fuzzes all targets, one after the other: python -m tests.fuzz [TARGET ...]

Each is fuzzed for FUZZ_SECONDS. The folder .cache/fuzz has the findings, and the inputs with which
the next run starts.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.fuzz.targets import TARGETS

FOLDER = Path(".cache/fuzz")

ROUND_SECONDS = 60
"""After which a target is restarted: atheris itself keeps up to 200 KB per input."""


def main(names: list[str]) -> int:
    """Fuzz these targets, or all; return 1 if any broke."""
    seconds = os.environ.get("FUZZ_SECONDS", "60")
    unknown = set(names) - TARGETS.keys()
    if unknown or not seconds.isdecimal():
        print(f"FUZZ_SECONDS is a number, TARGET one of: {', '.join(TARGETS)}")
        return 2
    broken = [name for name in names or TARGETS if not fuzz(name, int(seconds))]
    print(
        f"broken: {', '.join(broken)}; the inputs are in {FOLDER}" if broken else "none is broken"
    )
    return int(bool(broken))


def fuzz(name: str, seconds: int) -> bool:
    """Fuzz a target and print its number of inputs; return whether none broke it."""
    print(f"== {name} for {seconds} s", flush=True)
    inputs, left = 0, seconds
    while left > 0:
        taken = fuzz_once(name, min(left, ROUND_SECONDS))
        if taken is None:
            return False
        inputs, left = inputs + taken, left - ROUND_SECONDS
    print(f"== {name} withstood {inputs:,} inputs in {seconds} s", flush=True)
    return True


def fuzz_once(name: str, seconds: int) -> int | None:
    """Return the number of inputs that a target took, or None if one broke it."""
    folder = str(FOLDER / name)
    command = [sys.executable, "-m", "tests.fuzz.fuzzer", name, str(seconds), folder]
    taken = 0
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace") as running:
        assert running.stderr is not None
        for line in running.stderr:
            print(line, end="", flush=True)
            if done := re.match(r"Done (\d+) runs", line):
                taken = int(done[1])
    return taken if running.returncode == 0 else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
