"""Address space of this process, whose limit bounds the memory that an ingest allocates."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def more_address_space(mapped_bytes: int) -> Iterator[None]:
    """Raise the limit by what mapped files take: they need address space, but no memory of it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY:
        yield
        return
    raised = soft + mapped_bytes
    is_allowed = hard == resource.RLIM_INFINITY or raised <= hard
    resource.setrlimit(resource.RLIMIT_AS, (raised if is_allowed else hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def within_address_space(count: int) -> int:
    """Return `count`, or the limit of bytes that this process may allocate if that is less."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return count if soft == resource.RLIM_INFINITY else min(count, soft)
