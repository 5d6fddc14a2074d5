"""What the cache remembers of modules, all of it together."""

from dataclasses import dataclass
from typing import Self

from symbolon_server.cache.failures import FailureLifetimes, FailureMemory
from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.cache.missing_modules import MissingModules
from symbolon_server.cache.supplier_rounds import SupplierRounds


@dataclass(frozen=True, slots=True)
class ModuleMemory:
    """Everything here raises `CacheUnavailableError` when the cache does not answer."""

    failures: FailureMemory
    missing: MissingModules
    rounds: SupplierRounds

    @classmethod
    def of(cls, cache: KeyedCache, lifetimes: FailureLifetimes | None = None) -> Self:
        """Return what is remembered in `cache`, failures for these lifetimes."""
        failures = FailureMemory(cache, lifetimes)
        return cls(failures, MissingModules(cache), SupplierRounds(cache))
