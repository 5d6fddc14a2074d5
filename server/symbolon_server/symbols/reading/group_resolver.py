"""Resolves groups of functions in a thread, while the reader goes on with the file."""

from concurrent.futures import Future, ThreadPoolExecutor

from symbolon_server.symbols.ground.threads import start_threads
from symbolon_server.symbols.reading.columns import FunctionParts
from symbolon_server.symbols.reading.inline_chains import Chains
from symbolon_server.symbols.reading.resolution import (
    FunctionSpans,
    ResolvedRanges,
    resolve_functions,
)

Resolved = list[tuple[ResolvedRanges, Chains]]


class GroupResolver:
    """Resolves one group at a time, so that no more than two are in memory.

    For one reader only. The last group is resolved without the thread: a small file starts none.
    """

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None
        self._pending: Future[Resolved] | None = None
        self._resolved: Resolved = []

    def resolve(self, functions: FunctionSpans, parts: FunctionParts) -> None:
        """Resolve a group in the background, once the one before it is resolved.

        Raises `MemoryError` if there was or is not enough memory.
        """
        self._collect()
        self._threads = self._threads or start_threads(1, "resolve-functions")
        self._pending = self._threads.submit(resolve_functions, functions, parts)

    def finish(self, functions: FunctionSpans, parts: FunctionParts) -> Resolved:
        """Return all groups, of which this is the last; raise what `resolve` raises."""
        last = resolve_functions(functions, parts) if len(functions.starts) else []
        self._collect()
        if self._threads is not None:
            self._threads.shutdown()
        return self._resolved + last

    def _collect(self) -> None:
        if self._pending is not None:
            self._resolved += self._pending.result()
            self._pending = None
