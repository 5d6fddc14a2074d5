"""The pytest fixture `symbolon_server`: `pytest_plugins = ["symbolon.testing.pytest_plugin"]`."""

from collections.abc import Iterator

import pytest

from symbolon.testing.fake_server import FakeServer


@pytest.fixture
def symbolon_server() -> Iterator[FakeServer]:
    """A running fake server without answers; each test has its own."""
    with FakeServer() as server:
        yield server
