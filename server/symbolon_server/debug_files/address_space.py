"""Address space of this process, whose limit bounds the memory that an ingest allocates."""

import resource
import traceback
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def mappings_allowed(more_bytes: int) -> Iterator[None]:
    """Raise the limit by what mapped files take: they need address space, but no memory of it.

    At the end it is as before, and the files are not mapped any more, whatever error is raised: one
    ingest may read many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        raised = soft + more_bytes
        is_allowed = hard == resource.RLIM_INFINITY or raised <= hard
        resource.setrlimit(resource.RLIMIT_AS, (raised if is_allowed else hard, hard))
    try:
        yield
    except Exception as error:
        _release(error)
        raise
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _release(error: BaseException | None) -> None:
    """Let go of what the frames of an error hold: the file would be mapped as long as the error."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
