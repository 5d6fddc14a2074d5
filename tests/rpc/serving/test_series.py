"""The metrics' series that exist before the first call."""

import re
from pathlib import Path

from symbolon_server.rpc.serving import interceptors

RPC = Path(interceptors.__file__).parents[1]
DENIED = {"UNAUTHENTICATED", "PERMISSION_DENIED"}
"""For calls that are not admitted, which another metric counts."""


def test_every_code_that_the_server_ends_calls_with_has_series_from_the_start() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in RPC.rglob("*.py"))
    named = set(re.findall(r"grpc\.StatusCode\.([A-Z_]+)", sources))
    assert named - DENIED == set(interceptors.CODES)
