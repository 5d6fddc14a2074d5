"""A server with a gateway, shared by all tests that change nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.conftest import (
    SAMPLE,
    StartProgram,
    environment,
    environment_in,
    serve,
    starting,
)
from tests.gateway.asking import await_http

__all__ = ["environment", "serve"]

MAX_BODY_BYTES = 64 * 1024


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[StartProgram]:
    """Start a program by a fork."""
    with starting(environment, tmp_path) as start_one:
        yield start_one


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a gateway whose server has the sample's symbol file."""
    folder = tmp_path_factory.mktemp("gateway")
    with starting(environment_in(folder), folder) as start_one:
        program = start_one(
            "serve",
            *("--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"),
            suppliers=str(SAMPLE / "symbols"),
            max_request_bytes=str(MAX_BODY_BYTES),
        )
        yield await_http(program)
        assert "Traceback" not in program.log
        assert "upgrade" not in program.log.lower()  # callers that offer one cannot fill it
