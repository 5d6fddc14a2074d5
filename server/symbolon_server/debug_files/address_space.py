"""Address space of this process, whose limit bounds the memory that an ingest allocates."""

import resource
import traceback
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def more_address_space(mapped_bytes: int) -> Iterator[None]:
    """Raise the limit by what mapped files take: they need address space, but no memory of it.

    Where an error refuses the file, the limit is as before at the end, and the file not mapped any
    more: an ingest may read many. Otherwise it stays, because the heap has grown beside the file.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        raised = soft + mapped_bytes
        is_allowed = hard == resource.RLIM_INFINITY or raised <= hard
        resource.setrlimit(resource.RLIMIT_AS, (raised if is_allowed else hard, hard))
    try:
        yield
    except Exception as error:
        _release(error)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        raise


def within_address_space(count: int) -> int:
    """Return `count`, or the limit of bytes that this process may allocate if that is less."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return count if soft == resource.RLIM_INFINITY else min(count, soft)


def _release(error: BaseException | None) -> None:
    """Let go of what the frames of an error hold: the file would be mapped as long as the error."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
