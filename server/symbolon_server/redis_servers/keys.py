"""The texts of all keys in both Redis servers; people look them up with `keys symbol:*`."""

from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey
from symbolon_server.symbols.paging.envelope import FORMAT_VERSION

DIRECTORY_PREFIX = "symbol:"
"""In the store: a module's page directory, `symbol:<debug file>/<DEBUG ID>:<version>`, so that
servers of two versions of the format each find their own."""

PAGE_PREFIX = "page:"
"""In the store: a page, `page:<debug file>/<DEBUG ID>:<generation>:<number>`."""

OUTCOME_PREFIX = "outcome:"
"""In the cache: a remembered failure, `outcome:<debug file>/<DEBUG ID>`."""

ATTEMPTS_PREFIX = "attempts:"
"""In the cache: how often in a row a module was unavailable."""

MISSING_PREFIX = "missing:"
"""In the cache: the modules that were asked for and are missing, in a few keys for all."""

SUPPLIER_PREFIX = "supplier:"
"""In the cache: how often in a row a supplier failed, why it is left alone, and who tries it."""

INVALIDATED_KEY = "invalidated"
"""In the cache: the modules that were to be forgotten, by the number of the invalidation."""

EPOCH_KEY = "invalidated:epoch"
"""In the cache: which log of invalidations it is; another one after each loss."""

SUPPLIERS_PREFIX = "suppliers:"
"""In the cache: what suppliers said last of a module, `suppliers:<debug file>/<DEBUG ID>`."""


def directory_key(module_id: ModuleId) -> str:
    """Return the key of a module's page directory."""
    return f"{DIRECTORY_PREFIX}{module_id}:{FORMAT_VERSION}"


def page_key(page: PageKey) -> str:
    """Return the key of a page."""
    return f"{PAGE_PREFIX}{page.module_id}:{page.generation}:{page.number}"


def outcome_key(module_id: ModuleId) -> str:
    """Return the key of a module's remembered failure."""
    return f"{OUTCOME_PREFIX}{module_id}"


def attempts_key(module_id: ModuleId) -> str:
    """Return the key that counts a module's failures in a row."""
    return f"{ATTEMPTS_PREFIX}{module_id}"


def failures_key(supplier: str) -> str:
    """Return the key that counts a supplier's failures in a row."""
    return f"{SUPPLIER_PREFIX}failures:{_as_utf8(supplier)}"


def pause_key(supplier: str) -> str:
    """Return the key that is there while a supplier is left alone."""
    return f"{SUPPLIER_PREFIX}pause:{_as_utf8(supplier)}"


def try_key(supplier: str) -> str:
    """Return the key that is there while one worker tries a supplier that failed."""
    return f"{SUPPLIER_PREFIX}try:{_as_utf8(supplier)}"


def _as_utf8(supplier: str) -> str:
    """Return a text that can be a key; the name of a folder may hold bytes that are none."""
    return supplier.encode(errors="backslashreplace").decode()


def suppliers_key(module_id: ModuleId) -> str:
    """Return the key of what suppliers said last of a module."""
    return f"{SUPPLIERS_PREFIX}{module_id}"
