"""Real servers on free ports."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import grpc
import pytest

from symbolon_server.rpc.calls.addresses import ListenAddress
from symbolon_server.rpc.calls.unread_answers import UnreadAnswers
from symbolon_server.rpc.serving.server import RpcServer, ServerOptions
from symbolon_server.telemetry.lasting_threads import Vitals
from tests.rpc.scripted import GetModule, ScriptedModuleService, Serve, Serving


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers with a given GetModule and options."""
    with ExitStack() as stack:

        def start(
            get_module: GetModule,
            *,
            threads: int = 4,
            max_calls: int = 8,
            logs_calls: bool = False,
            unread: UnreadAnswers | None = None,
            vitals: Vitals | None = None,
            **more: Any,
        ) -> Serving:
            listen = ListenAddress("127.0.0.1", 0)
            options = ServerOptions(
                listen, threads, max_calls, 1 << 20, logs_calls=logs_calls, **more
            )
            service = ScriptedModuleService(get_module)
            server = RpcServer(options, [service.add_to], unread, vitals=vitals)
            address = server.bind()
            server.start()
            stack.callback(server.stop, 0.0)
            channel = stack.enter_context(grpc.insecure_channel(str(address)))
            return Serving(server, address, channel)

        yield start


@pytest.fixture
def callers() -> Iterator[ThreadPoolExecutor]:
    """Threads to call from."""
    with ThreadPoolExecutor() as pool:
        yield pool
