"""Keeps the threads of a serving process together on one core."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager


def any_core() -> int:
    """Return a number for `on_one_core`, by chance.

    So several servers on a machine spread over its cores. Numbers of processes would not do: in
    containers they are all small.
    """
    return secrets.randbelow(1 << 16)


@contextmanager
def on_one_core(number: int) -> Iterator[None]:
    """Have all threads that are started within the context stay on one core.

    The threads of a Python process run one at a time, and a call passes through several of them.
    On several cores each step wakes another core, which then waits for the interpreter's lock;
    on one core the next thread goes on where the last one left. `number` chooses among the
    cores that this process may use; where the system knows no such thing, nothing is done.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[number % len(cores)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
