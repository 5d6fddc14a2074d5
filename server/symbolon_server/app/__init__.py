"""Builds the running programs from their parts; nothing else constructs them.

Settings become plain values here: no floor below reads `SYMBOLON_*` variables. `programs` has
one module for each program that `symbolon-server` can be, `process` looks after what the operating
system gives to a process, and `wiring` puts together what programs share: tiers, services,
protection, metrics.
"""


class StartError(Exception):
    """The server cannot start; each of `problems` says what is wrong and how to fix it."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
