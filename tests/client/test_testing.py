"""The fake server for tests of other programs, and its fixture."""

import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from symbolon import (
    Client,
    Frame,
    FrameOutcome,
    InlineFrame,
    InvalidRequestError,
    Module,
    ModuleOutcome,
    Report,
    ServerUnreachableError,
)
from symbolon.testing import FakeServer
from symbolon.testing.pytest_plugin import symbolon_server
from symbolon.v1.symbolication_service_pb2 import SymbolicateStreamRequest
from tests.client.conftest import Connect

__all__ = ["symbolon_server"]

XUL, LIBC = Module("xul.pdb", "AB0"), Module("libc.so", "CD0")


@pytest.fixture
def client(symbolon_server: FakeServer, connect: Connect) -> Client:
    return connect(symbolon_server.target, timeout=20)


def test_frames_have_the_answers_that_were_set(symbolon_server: FakeServer, client: Client) -> None:
    inline = InlineFrame("g()", "a.h", 3)
    symbolon_server.add_frame(
        XUL, 16, "f()", function_offset=4, file="a.cpp", line=7, inlines=[inline]
    )
    stack = [Frame(0, 16), Frame(0, 17, is_return_address=True), Frame(0, 5), Frame(None, 9)]
    answer = client.symbolicate([XUL, LIBC], [stack])
    first, caller, nothing, nowhere = answer.stacks[0]
    assert (first.function, first.function_offset, first.file, first.line) == ("f()", 4, "a.cpp", 7)
    assert first.inlines == (inline,)
    assert (caller.function, caller.module_offset) == ("f()", 17)
    assert (nothing.outcome, nothing.function) == (FrameOutcome.NO_SYMBOL, None)
    assert nowhere.outcome is FrameOutcome.NO_MODULE
    assert [module.outcome for module in answer.modules] == [
        ModuleOutcome.FOUND,
        ModuleOutcome.NOT_REFERENCED,
    ]


def test_modules_are_known_however_their_ids_are_written(
    symbolon_server: FakeServer, client: Client
) -> None:
    guid = "44e4ec8c-2f41-492b-9369-d6b9a059577c"
    symbolon_server.add_frame(Module("xul.dll", f"{{{guid}}}"), 16, "f()")
    modules = [Module("xul.dll", guid.replace("-", "").upper() + "0")]
    modules += [Module("", f"{guid}-0", "C:\\xul.dll")]
    answer = client.symbolicate(modules, [[Frame(0, 16), Frame(1, 16)]])
    assert [frame.function for frame in answer.stacks[0]] == ["f()", "f()"]


@pytest.mark.parametrize(
    ("outcome", "of_frames"),
    [
        (ModuleOutcome.PENDING, FrameOutcome.MODULE_PENDING),
        (ModuleOutcome.UNAVAILABLE, FrameOutcome.MODULE_UNAVAILABLE),
        (ModuleOutcome.MALFORMED, FrameOutcome.MODULE_MALFORMED),
        (ModuleOutcome.MISSING, FrameOutcome.MODULE_MISSING),
        (ModuleOutcome.FOUND, FrameOutcome.NO_SYMBOL),
    ],
)
def test_modules_have_the_outcomes_that_were_set(
    symbolon_server: FakeServer,
    client: Client,
    outcome: ModuleOutcome,
    of_frames: FrameOutcome,
) -> None:
    symbolon_server.set_outcome(XUL, outcome, "because", retry_after_seconds=1.5)
    answer = client.symbolicate([XUL], [[Frame(0, 1)]])
    assert (answer.modules[0].outcome, answer.modules[0].detail) == (outcome, "because")
    assert answer.modules[0].retry_after_seconds == 1.5
    assert answer.stacks[0][0].outcome is of_frames
    info = client.get_module("xul.pdb", "ab0")
    assert (info.outcome, info.retry_after_seconds) == (outcome, 1.5)


def test_modules_without_an_answer_are_missing(symbolon_server: FakeServer, client: Client) -> None:
    assert client.symbolicate([XUL], [[Frame(0, 1)]]).modules[0].outcome is ModuleOutcome.MISSING
    client.symbolicate([XUL, LIBC], [[Frame(0, 1), Frame(1, 1)]])
    missing = client.list_missing_modules()
    assert [(one.module, one.requests) for one in missing.modules] == [(XUL, 2), (LIBC, 1)]
    assert len(client.list_missing_modules(1).modules) == 1


def test_every_other_call_is_answered(symbolon_server: FakeServer, client: Client) -> None:
    symbolon_server.add_frame(XUL, 16, "f()")
    assert client.prefetch_modules([XUL])[0].outcome is ModuleOutcome.FOUND
    assert client.explain_frame("xul.pdb", "AB0", 16).frame.function == "f()"
    assert client.get_store_info().server_version == "fake"
    assert client.get_queue().total_running == 0
    assert client.is_serving()
    assert client.invalidate_modules([XUL]) == (ModuleOutcome.FOUND,)
    assert client.get_module("xul.pdb", "AB0").outcome is ModuleOutcome.MISSING


def test_streams_are_answered(symbolon_server: FakeServer) -> None:
    with Client(symbolon_server.target) as client:
        requests = [SymbolicateStreamRequest(id=name) for name in "ab"]
        responses = client.stubs.symbolication.SymbolicateStream(iter(requests), timeout=20)
        assert [response.id for response in responses] == ["a", "b"]


def test_received_reports_are_recorded(symbolon_server: FakeServer, client: Client) -> None:
    report = Report([XUL], [[Frame(0, 1), Frame(None, 2)], [Frame(0, 3, is_return_address=True)]])
    client.symbolicate(report.modules, report.stacks)
    assert symbolon_server.reports == [report]


def test_calls_fail_as_often_as_was_set(symbolon_server: FakeServer, client: Client) -> None:
    symbolon_server.fail(grpc.StatusCode.INVALID_ARGUMENT, "no such thing")
    with pytest.raises(InvalidRequestError, match="no such thing"):
        client.symbolicate([], [])
    client.symbolicate([], [])
    symbolon_server.fail(grpc.StatusCode.UNAVAILABLE, times=2)
    client.symbolicate([], [])


def test_a_stopped_server_is_unreachable(connect: Connect) -> None:
    with FakeServer() as server:
        client = connect(server.target, options=[("grpc.enable_retries", 0)])
        assert client.is_serving()
    with pytest.raises(ServerUnreachableError):
        client.symbolicate([], [])


def test_the_plugin_provides_a_fixture(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["symbolon.testing.pytest_plugin"]\n')
    (tmp_path / "test_other_programs_test.py").write_text(
        "import symbolon\n"
        "def test_other_programs_test(symbolon_server):\n"
        "    with symbolon.Client(symbolon_server.target) as client:\n"
        "        assert client.is_serving()\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
