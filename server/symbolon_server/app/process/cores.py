"""Keeps the threads of a serving process together on one core, which no other server has."""

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OF_THE_MACHINE = "pid:[4026531836]"
"""The first namespace of processes of a Linux kernel: one in it is in no container."""

_CLAIM = "\0symbolon-core-{}"
"""The name of a socket that stands for a core. Linux keeps such names apart from files, gives each
to one process of a network namespace, and takes it back when that ends, however it ends."""


def may_choose(usable: int, on_machine: int, *, sees_machine: bool) -> bool:
    """Return whether a server may choose one of the cores that it may use.

    Fewer than the machine has were given to it. Of all of them it can choose where it sees
    which ones other servers have; in a container with a share of the time of all cores it would
    choose blindly, and servers would wait for one core while others are idle.
    """
    return usable < on_machine or sees_machine


def claim_core(is_wanted: bool | None = None, claim: str = _CLAIM) -> int | None:
    """Return a place among the cores that this process may use, for `on_one_core`.

    It is this process's until its end: no other that can see it chooses the same. `None` where
    there is none left, or it may not choose; `is_wanted` says to choose all the same, or never.
    """
    if is_wanted is False or not hasattr(os, "sched_getaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))
    on_machine = os.cpu_count() or 1
    if is_wanted is None and not may_choose(len(cores), on_machine, sees_machine=_sees_machine()):
        return None
    places = list(range(len(cores)))
    secrets.SystemRandom().shuffle(places)  # containers do not see each other's claims
    free = (place for place in places if _take(claim.format(cores[place])))
    return next(free, places[0] if is_wanted else None)


def _sees_machine() -> bool:
    try:
        return str(Path("/proc/self/ns/pid").readlink()) == _OF_THE_MACHINE
    except OSError:
        return False


def _take(name: str) -> bool:
    """Take a name that nobody has, for as long as the process lives."""
    holder = socket.socket(socket.AF_UNIX)
    try:
        holder.bind(name)
    except OSError:
        holder.close()
        return False
    holder.detach()
    return True


@contextmanager
def on_one_core(place: int | None) -> Iterator[None]:
    """Have all threads that are started within the context stay on one core.

    The threads of a Python process run one at a time, and a call passes through several of them.
    On several cores each step wakes another core, which then waits for the interpreter's lock;
    on one core the next thread goes on where the last one left. `place` is that among the
    cores that this process may use; without one, nothing is done.
    """
    if place is None:
        yield
        return
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[place]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
