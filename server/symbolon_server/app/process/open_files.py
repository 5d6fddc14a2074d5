"""How many descriptors a process may have open: each connection takes one."""

import resource
from typing import Final

MOST: Final = 1 << 20
"""Where the system knows no limit; some programs take time for each descriptor there could be."""


def allow_open_files(count: int | None) -> None:
    """Let this process, and those that it starts, have `count` descriptors open.

    None is as many as the system lets it have, and `MOST` at most; nobody gets more than that.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if count is None else count
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
