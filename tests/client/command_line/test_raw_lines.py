"""`symbolon symbolicate` with lines out of a log: `xul.pdb/44E4…C2 0x1a2f`."""

import io
import json
import sys

import pytest

from symbolon._module_ids import DEBUG_ID_FORM
from symbolon.command_line.arguments import main
from tests.client.canned import CannedServer
from tests.client.naming import answer_by_name

XUL = "xul.pdb/44E4EC8C2F41492B9369D6B9A059577C2"


@pytest.fixture
def target(canned: CannedServer) -> str:
    canned.answers = [answer_by_name]
    return f"--target={canned.target}"


@pytest.fixture(autouse=True)
def pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"{XUL} 0x1a2f\n\n  {XUL} 4097\nmissing.so/AB0 0X10\nA B.otf/ 0x2\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def test_each_line_is_answered_as_json(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["symbolicate", target]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert found[0] == {
        "frame": 0,
        "module": "xul.pdb",
        "module_offset": "0x1a2f",
        "function": "xul.pdb+1a2f",
        "function_offset": "0x0",
    }
    assert [frame["module_offset"] for frame in found] == ["0x1a2f", "0x1001", "0x10", "0x2"]
    assert "function" not in found[2]
    assert found[3]["module"] == "A B.otf"


def test_each_line_is_answered_as_text(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["symbolicate", target, "--format=text"]) == 0
    assert capsys.readouterr().out.splitlines()[::2] == [
        "xul.pdb 0x1a2f  xul.pdb+1a2f",
        "missing.so 0x10  0x10  (module missing)",
    ]


@pytest.mark.parametrize(
    "debug_id",
    ["44E4EC8C-2F41-492B-9369-D6B9A059577C", "{44e4ec8c-2f41-492b-9369-d6b9a059577c}-2"],
)
def test_a_debug_id_may_have_the_dashes_and_braces_of_a_guid(
    target: str, canned: CannedServer, monkeypatch: pytest.MonkeyPatch, debug_id: str
) -> None:
    text = f"xul.pdb/{debug_id} 0x1a2f\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert main(["symbolicate", target]) == 0
    (module,) = canned.requests[0].modules
    assert (module.debug_file, module.debug_id) == ("xul.pdb", debug_id)


def test_return_addresses_are_sent_as_such(
    target: str, canned: CannedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["symbolicate", target, "--return-addresses"]) == 0
    frames = [stack.frames[0] for stack in canned.requests[0].stacks]
    assert all(frame.is_return_address for frame in frames)


def test_lines_share_calls_and_their_modules(
    target: str, canned: CannedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["symbolicate", target]) == 0
    (request,) = canned.requests
    assert [module.debug_file for module in request.modules] == [
        "xul.pdb",
        "missing.so",
        "A B.otf",
    ]


def test_a_line_of_another_form_has_its_error_in_its_place(
    target: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    huge = "9" * 5_000  # more digits than `int` takes
    text = f"{XUL} 0x1\nxul.pdb 0x2\n{XUL} 0x10000000000000000\n{XUL} 0x3\n{XUL} {huge}\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert main(["symbolicate", target, "--format=text"]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "line 2: 'xul.pdb 0x2' is not <debug file>/<DEBUG ID> <offset>"
    assert lines[2].startswith("line 3: stacks[0].frames[0]: ")
    assert lines[3] == "xul.pdb 0x3  xul.pdb+3"
    assert lines[4] == f"line 5: '{XUL} {huge}' is not <debug file>/<DEBUG ID> <offset>"


def test_a_path_is_looked_up_by_its_last_part_and_an_error_names_its_line(
    target: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"/out/bin/{XUL} 0x1\nC:\\out dir\\{XUL} 0x2\n\n{'/' * 20_000}\n{' ' * 20_000}x\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert main(["symbolicate", target]) == 3
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [frame.get("function") for frame in found[:2]] == ["xul.pdb+1", "xul.pdb+2"]
    assert found[2]["error"].startswith("line 4: '///")
    assert found[3] == {"error": "line 5: 'x' is not <debug file>/<DEBUG ID> <offset>"}


def test_an_invalid_module_is_refused_without_a_call(
    target: str,
    canned: CannedServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server would reject the call with all lines, and each would have to be sent alone."""
    text = f"{XUL} 0x1\n{'x' * 300}/AB0 0x2\nxul.pdb/{{AB-0 0x2\n{XUL} 0x3\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert main(["symbolicate", target]) == 3
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["error"] for line in found[1:3]] == [
        "line 2: not looked up: the debug file: it has 300 bytes, the limit is 255",
        f"line 3: not looked up: the debug id: it must be {DEBUG_ID_FORM}",
    ]
    asked = [module for request in canned.requests for module in request.modules]
    assert {f"{one.debug_file}/{one.debug_id}" for one in asked} == {XUL}
