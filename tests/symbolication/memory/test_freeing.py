"""Evicted memory is freed without the garbage collector."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from symbolon_server.symbolication.memory.queries import FrameQuery
from tests.symbolication.conftest import File, Host, IngestNow, new_module, query


@pytest.fixture
def without_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("index", [0, 200])
def test_no_call_keeps_evicted_frames_alive(
    host: Host, file: File, ingest_now: IngestNow, without_collector: None, index: int
) -> None:
    ingest_now(file.module_id)
    modules = [*(query(new_module()) for _ in range(index)), query(file.module_id)]
    stack = [FrameQuery(index, 0, is_return_address=False)]
    first, again = host.ask(modules, [stack]), host.ask(modules, [stack])
    assert again.symbolication.is_recalled
    assert again.functions == first.functions
    module = host.held.modules.peek(file.module_id)
    assert module is not None
    remembered = weakref.ref(module.frames)
    del module
    host.held.modules.clear()
    assert remembered() is None
