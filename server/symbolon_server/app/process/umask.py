"""The mode of the files that programs write."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

PRIVATE_UMASK: Final = 0o077
"""Only the user of a program can read the files and folders that it creates. Child programs inherit
this."""


@contextmanager
def private_files() -> Iterator[None]:
    """Make the files private that this process, and programs started in the context, create."""
    before = os.umask(PRIVATE_UMASK)
    try:
        yield
    finally:
        os.umask(before)
