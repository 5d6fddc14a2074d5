"""Real servers on free ports."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import grpc
import pytest

from tests.rpc.scripted import GetModule, Serve, Serving, started


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers with a given GetModule and options."""
    with ExitStack() as stack:

        def start(get_module: GetModule, **options: Any) -> Serving:
            server, address = stack.enter_context(started(get_module, **options))
            channel = stack.enter_context(grpc.insecure_channel(str(address)))
            return Serving(server, address, channel)

        yield start


@pytest.fixture
def callers() -> Iterator[ThreadPoolExecutor]:
    """Threads to call from."""
    with ThreadPoolExecutor() as pool:
        yield pool
