"""A server's answers to the bytes of requests, without a network and without a cache."""

import sys
from contextlib import nullcontext
from functools import cache
from unittest.mock import patch

import redis

from symbolon.v1.symbolication_service_pb2 import SymbolicateResponse
from symbolon_server.cache.failures import FailureMemory
from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.ingest.queueing.loader import ModuleLoader
from symbolon_server.ingest.working.ingest import Ingest
from symbolon_server.redis_servers.servers import connect
from symbolon_server.rpc.symbolicate.request import decode_frame
from symbolon_server.rpc.symbolicate.service import Answerer, RequestLimits, WaitLimits
from symbolon_server.suppliers.chain import SupplierChain
from symbolon_server.suppliers.directory import DirectorySupplier
from symbolon_server.symbolication import symbolicator
from symbolon_server.symbolication.looking_up.tiers import Tiers
from symbolon_server.symbolication.memory.server_memory import ServerMemory
from symbolon_server.symbolication.symbolicator import Symbolicator
from symbolon_server.symbols.ground.asked_modules import AskedModule
from tests.fixtures.memory_store import MemoryPageStore
from tests.fuzz.samples import MODULE_ID, SYMBOLS_FOLDER

_MEGABYTE = 1 << 20
_LIMITS = RequestLimits(max_modules=50, max_frames=500)
_NO_WAIT = WaitLimits(max_wait_seconds=0.0, deadline_margin_seconds=0.0)


def answer(request: bytes) -> bytes:
    """Return the encoded response to an encoded request; raises `InvalidRequestError`.

    Frames are recalled one by one, then all at once, which must give the same result.
    """
    response = _answer(request, many_bytes=sys.maxsize)
    again = _answer(request, many_bytes=0)
    assert again == response or _without_diagnostics(again) == _without_diagnostics(response)
    return response


def _answer(request: bytes, *, many_bytes: int) -> bytes:
    """Answer with frames recalled at once in requests with stacks of `many_bytes`."""
    with patch.object(symbolicator, "MANY_BYTES", many_bytes):
        return answerer().answer(request, None, lambda _let_go: nullcontext(enter_result=False))


def _without_diagnostics(response: bytes) -> SymbolicateResponse:
    message = SymbolicateResponse.FromString(response)
    message.ClearField("diagnostics")
    return message


@cache
def answerer() -> Answerer:
    """Return an answerer that knows the sample module, and no other."""
    store = MemoryPageStore(64 * _MEGABYTE)
    suppliers = SupplierChain([DirectorySupplier(SYMBOLS_FOLDER)])
    Ingest(suppliers, store).run(AskedModule(MODULE_ID), ())
    gone = _cache_that_is_gone()
    tiers = Tiers(store, None, FailureMemory(KeyedCache(gone)), ModuleLoader(gone))
    symbolicator = Symbolicator(tiers, ServerMemory(_MEGABYTE), decode_frame)
    return Answerer(symbolicator, _LIMITS, _NO_WAIT)


def _cache_that_is_gone() -> redis.Redis:
    return connect("unix:///symbolon/no/such/socket")
