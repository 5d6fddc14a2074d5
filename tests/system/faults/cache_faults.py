"""What can happen to a cache while it is asked, each made to happen to a real one."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from tests.system.conftest import Site


@contextmanager
def killed(site: Site) -> Iterator[None]:
    site.pair.kill("cache")
    yield
    site.pair.start("cache")


def frozen(site: Site) -> AbstractContextManager[None]:
    return site.pair.frozen("cache")


@contextmanager
def read_only(site: Site) -> Iterator[None]:
    site.cache.replicaof("127.0.0.1", "1")
    yield
    site.cache.replicaof("NO", "ONE")


CacheFault = Callable[[Site], AbstractContextManager[None]]

CACHE_FAULTS: Final[tuple[CacheFault, ...]] = (killed, frozen, read_only)
