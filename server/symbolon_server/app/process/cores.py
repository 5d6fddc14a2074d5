"""Pins the threads of a serving process to one core that no other server uses."""

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OF_THE_MACHINE = "pid:[4026531836]"
"""The first process namespace of a Linux kernel: processes in it are not in a container."""

_CLAIM = "\0symbolon-core-{}"
"""The abstract name of a socket that stands for a core. Linux gives each name to one process of a
network namespace, and frees it when that process ends, however it ends."""


def may_choose(usable: int, on_machine: int, *, sees_machine: bool) -> bool:
    """Return whether a server may pin itself to one of its `usable` cores.

    It may if it has a cpuset of fewer cores than the machine has, or if it sees which cores other
    servers use. In a container without a cpuset it would choose blindly, and several servers could
    wait for one core while others are idle.
    """
    return usable < on_machine or sees_machine


def claim_core(is_wanted: bool | None = None, claim: str = _CLAIM) -> int | None:
    """Return the position of a free core among the usable ones, for `on_one_core`.

    The claim lasts until the process ends: no other process that can see it chooses the same core.
    Returns None if no core is free, or if the process may not choose; `is_wanted` forces a choice
    if it is True, and forbids it if it is False.
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
    """Take a free name until the process ends; return whether it was free."""
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
    """Pin all threads that are started within the context to one core.

    Because of the GIL, the threads of a Python process run one at a time, and a call passes through
    several of them. On several cores each step wakes another core, which then waits for the GIL; on
    one core the next thread continues where the last one stopped. `place` is the position of the
    core among the usable ones; if it is None, nothing is done.
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
