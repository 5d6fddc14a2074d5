"""Go code that buf generates from the protos, against a real server."""

import json
import subprocess
from typing import Any

import pytest
from google.protobuf import json_format

from symbolon import Client
from symbolon.v1.symbolication_service_pb2 import SymbolicateRequest
from tests.app.conftest import SAMPLE
from tests.fixtures.installing import INSTALL_SECONDS
from tests.others import installed
from tests.others.clients import PATIENCE_SECONDS, Question, ask_go
from tests.others.conftest import Server
from tests.others.test_clients import OK, SYMBOLICATE

pytestmark = [pytest.mark.installs, pytest.mark.timeout(INSTALL_SECONDS + 60)]


def sample_request() -> dict[str, Any]:
    """The sample crash as JSON of a `SymbolicateRequest`."""
    (report,) = json.loads((SAMPLE / "crash.json").read_bytes())["jobs"]
    modules = [{"debug_file": name, "debug_id": debug_id} for name, debug_id in report["memoryMap"]]
    stacks = [
        {"frames": [{"module_index": index, "module_offset": offset} for index, offset in stack]}
        for stack in report["stacks"]
    ]
    return {"modules": modules, "stacks": stacks}


def test_the_frames_of_the_sample_are_those_that_python_is_given(plain: Server) -> None:
    request = sample_request()
    outcome = ask_go(Question(plain.address, SYMBOLICATE, [request]))
    with Client(plain.address) as client:
        message = json_format.ParseDict(request, SymbolicateRequest())
        expected = client.stubs.symbolication.Symbolicate(message, timeout=PATIENCE_SECONDS)
    assert outcome.code == OK
    (answer,) = outcome.answers
    assert answer["stacks"] == json_format.MessageToDict(expected)["stacks"]
    assert "orchard::grade(orchard::Crate const&)" in json.dumps(answer["stacks"])


def test_the_example_of_the_guide_prints_what_the_guide_shows(plain: Server) -> None:
    program = installed.go_programs() / "crashes"
    done = subprocess.run(
        [program, plain.address], stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )
    assert done.stdout == installed.guide_block("text")
