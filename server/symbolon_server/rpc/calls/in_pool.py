"""Methods that are answered elsewhere than in the server's own threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class InPool:
    """A method's behaviour that runs in a pool of its own instead of the server's.

    gRPC looks for the attribute `experimental_thread_pool` on each behaviour.
    """

    behavior: Callable[[Any, Any], Any]
    experimental_thread_pool: ThreadPoolExecutor

    def __call__(self, request: Any, context: Any) -> Any:
        """Answer as the behaviour does."""
        return self.behavior(request, context)
