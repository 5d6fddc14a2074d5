"""Fuzzes one target until its time is up, or an input breaks it.

python -m tests.fuzz.fuzzer TARGET SECONDS CORPUS
"""

import hashlib
import logging
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["symbolon", "symbolon_server"]):
    from tests.fuzz.targets import TARGETS

INPUT_SECONDS = 10
"""The time limit of an input; the smallest that libFuzzer supports."""

MEMORY_MB = 2048
"""The memory limit of a target, including what earlier inputs left."""


def main(name: str, seconds: str, corpus: str) -> None:
    logging.disable()  # the logs about bad input do not matter here
    target = TARGETS[name]
    folder = Path(corpus)
    folder.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        (folder / hashlib.sha256(seed).hexdigest()).write_bytes(seed)
    options = {
        "max_total_time": seconds,
        "timeout": INPUT_SECONDS,
        "rss_limit_mb": MEMORY_MB,
        "max_len": target.longest,
        "artifact_prefix": f"{folder.parent}/found-{name}-",
        "print_final_stats": 1,
    }
    flags = [f"-{option}={value}" for option, value in options.items()]
    atheris.Setup([sys.argv[0], *flags, str(folder)], target.take)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
