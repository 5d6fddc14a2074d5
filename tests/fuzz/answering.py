"""A server's answers to the bytes of requests, without a network and without a cache."""

from contextlib import nullcontext
from functools import cache

import redis

from symbolon_server.cache.failures import FailureMemory
from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.cache.memory_store import MemoryPageStore
from symbolon_server.cache.servers import connect
from symbolon_server.ingest.ingest import Ingest
from symbolon_server.ingest.loader import ModuleLoader
from symbolon_server.rpc.answering import Answerer, WaitLimits
from symbolon_server.rpc.decoding import decode_frame
from symbolon_server.rpc.validation import RequestLimits
from symbolon_server.suppliers.chain import SupplierChain
from symbolon_server.suppliers.directory import DirectorySupplier
from symbolon_server.symbolication.held import Held
from symbolon_server.symbolication.lookup import Tiers
from symbolon_server.symbolication.symbolicator import Symbolicator
from tests.fuzz.samples import MODULE_ID, SYMBOLS_FOLDER

_MEGABYTE = 1 << 20
_LIMITS = RequestLimits(max_modules=50, max_frames=500)
_NO_WAIT = WaitLimits(max_wait_seconds=0.0, deadline_margin_seconds=0.0)


def answer(request: bytes) -> bytes:
    """Return the encoded response to an encoded request; raises `InvalidRequestError`."""
    return _answerer().answer(request, None, lambda _let_go: nullcontext(enter_result=False))


@cache
def _answerer() -> Answerer:
    """Return what answers for the sample module, and is told nothing of any other."""
    store = MemoryPageStore(64 * _MEGABYTE)
    suppliers = SupplierChain([DirectorySupplier(SYMBOLS_FOLDER)])
    Ingest(suppliers, store).run(MODULE_ID, ())
    gone = _cache_that_is_gone()
    tiers = Tiers(store, None, FailureMemory(KeyedCache(gone)), ModuleLoader(gone))
    return Answerer(Symbolicator(tiers, Held(_MEGABYTE), decode_frame), _LIMITS, _NO_WAIT)


def _cache_that_is_gone() -> redis.Redis:
    return connect("unix:///symbolon/no/such/socket")
