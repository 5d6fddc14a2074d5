"""A real server with canned answers, and its client."""

from collections.abc import Iterator

import pytest

from symbolon import Client
from tests.client.canned import CannedServer, start_canned_server


@pytest.fixture
def canned() -> Iterator[CannedServer]:
    """A running server; put answers into it."""
    with start_canned_server() as canned:
        yield canned


@pytest.fixture
def client(canned: CannedServer) -> Iterator[Client]:
    """A client of the canned server."""
    with Client(canned.target, timeout=20) as client:
        yield client
