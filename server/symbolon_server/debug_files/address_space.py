"""Address space of this process, whose limit bounds the memory that an ingest allocates."""

import resource


def allow_mappings(more_bytes: int) -> None:
    """Raise the limit by what mapped files take: they need address space, but no memory of it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY:
        return
    raised = soft + more_bytes
    is_allowed = hard == resource.RLIM_INFINITY or raised <= hard
    resource.setrlimit(resource.RLIMIT_AS, (raised if is_allowed else hard, hard))
