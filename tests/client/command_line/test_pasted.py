"""`symbolon symbolicate` with what other programs print."""

import json
from pathlib import Path
from typing import Any

import grpc
import pytest

from symbolon.command_line.arguments import main
from tests.client.canned import CannedServer
from tests.client.naming import answer_by_name

PASTED = Path(__file__).parents[2] / "data" / "pasted"
FILES = [path.name for path in sorted(PASTED.iterdir()) if path.suffix != ".md"]


@pytest.fixture
def target(canned: CannedServer) -> str:
    canned.answers = [answer_by_name]
    return f"--target={canned.target}"


@pytest.mark.parametrize("name", FILES)
def test_each_form_is_answered_as_text(
    target: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["symbolicate", str(PASTED / name), target, "--format=text"]) == 0
    printed = capsys.readouterr().out
    assert "  orchard  " in printed
    assert "orchard+1210" in printed


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("flag", ["--format=json", "--format=v5", "--debug"])
def test_each_form_is_answered_in_version_5(
    target: str, name: str, flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [flag] if flag != "--debug" else []
    assert main(["symbolicate", str(PASTED / name), target, *flags]) == 0
    [result] = json.loads(capsys.readouterr().out)["results"]
    frames = [frame for stack in result["stacks"] for frame in stack]
    assert {"0x1210"} <= {frame["module_offset"] for frame in frames}
    assert any(frame["module"] == "orchard" and "function" in frame for frame in frames)


@pytest.mark.parametrize("name", FILES)
def test_each_form_is_answered_in_version_4(
    target: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["symbolicate", str(PASTED / name), target, "--format=v4"]) == 0
    answer = json.loads(capsys.readouterr().out)
    frames = [frame for stack in answer["symbolicatedStacks"] for frame in stack]
    assert "orchard+1210 (in orchard)" in frames or "before orchard+1210 (in orchard)" in frames


def test_what_a_report_lacks_is_told_in_text_and_in_json(
    target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(PASTED / "asan-gcc.txt")
    assert main(["symbolicate", file, target, "--format=text"]) == 0
    assert "Not looked up\n  orchard: no build id" in capsys.readouterr().out
    assert main(["symbolicate", file, target]) == 0
    [result] = json.loads(capsys.readouterr().out)["results"]
    assert [error[:21] for error in result["errors"]] == [
        "orchard: no build id,",
        "libc.so.6: no build i",
    ]


def test_stacks_are_called_as_in_the_report(
    target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["symbolicate", str(PASTED / "tombstone.txt"), target, "--format=text"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("Thread")] == [
        "Thread 1092 Thread-2",
        "Thread 1071 example.orchard",
    ]


def test_walked_minidumps_may_be_one_a_line(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    walked = json.dumps(json.loads((PASTED / "minidump-stackwalk.json").read_bytes()))
    file = tmp_path / "walked.jsonl"
    file.write_text(f"{walked}\n" + '{"modules": [], "threads": []}\n')
    assert main(["symbolicate", str(file), target]) == 3
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["results"][0]["found_modules"]["orchard/C3D8E3C7B6594DF1DFCA907993B477250"]
    assert second == {
        "error": "line 2: minidump-stackwalk --json: has no stack with frames",
    }


def test_the_modules_of_a_pasted_report_can_be_prefetched(
    canned: CannedServer, target: str
) -> None:
    seen: list[str] = []

    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        seen.extend(module.debug_file for module in request.modules)
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "seen")

    canned.answers = [answer]
    main(["prefetch", target, "--from", str(PASTED / "asan-llvm.txt")])
    assert seen == ["orchard", "libc.so.6"]
