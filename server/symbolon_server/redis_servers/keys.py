"""The names of all keys in both Redis servers; list them with `keys symbol:*`."""

from typing import TYPE_CHECKING

from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.paging.envelope import FORMAT_VERSION

if TYPE_CHECKING:  # it needs numpy, which `check` does without
    from symbolon_server.symbols.ground.pages import PageKey

DIRECTORY_PREFIX = "symbol:"
"""In the store: a module's page directory, `symbol:<debug file>/<DEBUG ID>:<version>`, so that
servers with different versions of the format each have their own."""

PAGE_PREFIX = "page:"
"""In the store: a page, `page:<debug file>/<DEBUG ID>:<generation>:<number>`."""

OUTCOME_PREFIX = "outcome:"
"""In the cache: a remembered failure, `outcome:<debug file>/<DEBUG ID>`."""

ATTEMPTS_PREFIX = "attempts:"
"""In the cache: how many times in a row a module was unavailable."""

MISSING_PREFIX = "missing:"
"""In the cache: the requested modules that are missing, in a few keys for all."""

SUPPLIER_PREFIX = "supplier:"
"""In the cache: consecutive failures of a supplier, its backoff, and the worker that tries it."""

INVALIDATED_KEY = "invalidated"
"""In the cache: the invalidated modules, by the number of the invalidation."""

EPOCH_KEY = "invalidated:epoch"
"""In the cache: the epoch of the log of invalidations, which changes with each loss."""

SUPPLIERS_PREFIX = "suppliers:"
"""In the cache: the last supplier attempts for a module, `suppliers:<debug file>/<DEBUG ID>`."""

USES_PREFIX = "uses:"
"""In the cache: when the functions of a debug file were asked for, `uses:<debug file>`."""

INSERTION_KEY = "insertion"
"""In the cache: the eviction age of the store, and the scale of all insertion ages."""

ASKED_PAGES_KEY = "insertion:asked"
"""In the cache: a sample of the pages that were asked for, by the time of their last use."""

INGESTED_KEY = "insertion:ingested"
"""In the cache: the modules that were ingested, as hashes, by time."""

USED_FILES_KEY = "insertion:files"
"""In the cache: the debug files with a key of `USES_PREFIX`, by the time of their last use."""

USES_BYTES_KEY = "insertion:bytes"
"""In the cache: the size of all these keys."""


def directory_key(module_id: ModuleId) -> str:
    """Return the key of a module's page directory."""
    return f"{DIRECTORY_PREFIX}{module_id}:{FORMAT_VERSION}"


def page_key(page: "PageKey") -> str:
    """Return the key of a page."""
    return f"{PAGE_PREFIX}{page.module_id}:{page.generation}:{page.number}"


def outcome_key(module_id: ModuleId) -> str:
    """Return the key of a module's remembered failure."""
    return f"{OUTCOME_PREFIX}{module_id}"


def attempts_key(module_id: ModuleId) -> str:
    """Return the key of a module's number of consecutive failures."""
    return f"{ATTEMPTS_PREFIX}{module_id}"


def failures_key(supplier: str) -> str:
    """Return the key of a supplier's number of consecutive failures."""
    return f"{SUPPLIER_PREFIX}failures:{_as_utf8(supplier)}"


def pause_key(supplier: str) -> str:
    """Return the key that exists while a supplier is backed off from."""
    return f"{SUPPLIER_PREFIX}pause:{_as_utf8(supplier)}"


def try_key(supplier: str) -> str:
    """Return the key that exists while one worker tries a failed supplier."""
    return f"{SUPPLIER_PREFIX}try:{_as_utf8(supplier)}"


def _as_utf8(supplier: str) -> str:
    """Return the name as valid UTF-8: the path of a directory may contain other bytes."""
    return supplier.encode(errors="backslashreplace").decode()


def suppliers_key(module_id: ModuleId) -> str:
    """Return the key of the last attempts of suppliers for a module."""
    return f"{SUPPLIERS_PREFIX}{module_id}"
