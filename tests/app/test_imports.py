"""What each program loads until it is ready: nothing that its work does not need."""

import os
import subprocess
import sys

import pytest

from tests.app.conftest import ROOT

PROGRAMS = "symbolon_server.app.programs"
COMMAND_LINE = "symbolon_server.__main__"

EVERYTHING = {
    "asyncio",
    "email",
    "google.protobuf",
    "grpc",
    "grpc_health.v1",
    "grpc_reflection.v1alpha",
    "http.server",
    "numpy",
    "prometheus_client",
    "pydemumble",
    "redis",
    "requests",
    "ssl",
    "starlette",
    "symbolon.async_client",
    "symbolon.client",
    "symbolon.explanations",
    "symbolon.results",
    "urllib3",
    "uvicorn",
    "zstandard",
}
"""What takes long to load, and is needed by some programs only."""

REDIS = {"asyncio", "email", "redis", "ssl"}
METRICS = {"email", "http.server", "prometheus_client", "ssl"}
GRPC = {"asyncio", "google.protobuf", "grpc", "ssl"}
PAGES = {"numpy", "zstandard"}

LOADED = {
    "the command line": ([COMMAND_LINE], set[str]()),
    "what watches serving processes": (
        [COMMAND_LINE, f"{PROGRAMS}.serve_command"],
        REDIS | METRICS | {"zstandard"},
    ),
    "a serving process": (
        [f"{PROGRAMS}.server_main", f"{PROGRAMS}.server_process"],
        REDIS | METRICS | GRPC | PAGES | {"grpc_health.v1", "grpc_reflection.v1alpha"},
    ),
    "what watches a worker": (
        [COMMAND_LINE, f"{PROGRAMS}.worker_command", f"{PROGRAMS}.worker_child"],
        REDIS | METRICS | {"zstandard"},
    ),
    "a worker": (
        [COMMAND_LINE, f"{PROGRAMS}.worker_command", f"{PROGRAMS}.worker_process"],
        REDIS | METRICS | PAGES | {"pydemumble"},
    ),
    "the gateway": (
        [f"{PROGRAMS}.gateway_main", f"{PROGRAMS}.gateway_process"],
        GRPC
        | {
            "email",
            "starlette",
            "symbolon.client",
            "symbolon.explanations",
            "symbolon.results",
            "uvicorn",
        },
    ),
    "check": (
        [COMMAND_LINE, f"{PROGRAMS}.check_command"],
        REDIS | METRICS | {"zstandard"},
    ),
    "a client": (["symbolon.client"], GRPC | {"symbolon.client", "symbolon.results"}),
    "messages without a client": (["symbolon.v1.symbolication_service_pb2"], {"google.protobuf"}),
}
"""The modules of each program, and which of `EVERYTHING` they load."""


@pytest.mark.parametrize("program", LOADED)
def test_a_program_loads_only_what_it_needs(program: str) -> None:
    modules, needed = LOADED[program]
    assert EVERYTHING & _loaded_by(modules) == needed


def test_a_worker_has_no_grpc_in_it_which_would_hang_in_its_forks() -> None:
    modules, needed = LOADED["a worker"]
    assert needed.isdisjoint(GRPC - REDIS)
    assert not {name for name in _loaded_by(modules) if name.partition(".")[0] == "grpc"}


def _loaded_by(modules: list[str]) -> set[str]:
    """Return the modules in a new process that has imported `modules`."""
    path = os.pathsep.join([str(ROOT / "client"), str(ROOT / "server")])
    said = subprocess.run(
        [sys.executable, "-c", f"import sys, {', '.join(modules)}; print(*sys.modules)"],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        check=True,
        text=True,
    )
    return set(said.stdout.split())
