"""A real server with canned answers, and both kinds of client."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from symbolon import Client
from tests.client.blocking import BlockingClient
from tests.client.canned import CannedServer, start_canned_server

AT_ONCE = (("grpc.enable_retries", 0),)
"""For tests of what a call raises: gRPC would retry for more than a second."""

Connect = Callable[..., Client]
"""Makes a client, with the arguments of `Client`."""


@pytest.fixture
def canned() -> Iterator[CannedServer]:
    """A running server; set its answers."""
    with start_canned_server() as canned:
        yield canned


@pytest.fixture(params=[Client, BlockingClient], ids=["threads", "asyncio"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Makes clients of each kind, closed after the test."""
    with ExitStack() as stack:

        def connect_one(*arguments: Any, **named: Any) -> Client:
            client: Client = request.param(*arguments, **named)
            stack.enter_context(closing(client))
            return client

        yield connect_one


@pytest.fixture
def client(canned: CannedServer, connect: Connect) -> Client:
    """A client of the canned server that does not retry."""
    return connect(canned.target, timeout=20, options=AT_ONCE)
