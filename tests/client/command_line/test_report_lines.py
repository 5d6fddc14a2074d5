"""`symbolon symbolicate` with one report per line: in order, resumable, with progress."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest

from symbolon.command_line.arguments import main
from tests.client.canned import CannedServer
from tests.client.naming import answer_by_name

FRAMES = 300


def make_line(number: int, frames: int = FRAMES) -> str:
    stack = [[index % 2, number * frames + index] for index in range(frames)]
    return json.dumps({"memoryMap": [["xul.pdb", "AB0"], ["libc.so", "CD0"]], "stacks": [stack]})


def expected(number: int, frames: int = FRAMES) -> Any:
    stack = [
        {
            "frame": index,
            "module": ("xul.pdb", "libc.so")[index % 2],
            "module_offset": hex(number * frames + index),
            "function": f"{('xul.pdb', 'libc.so')[index % 2]}+{number * frames + index:x}",
            "function_offset": "0x0",
        }
        for index in range(frames)
    ]
    return {
        "results": [
            {"stacks": [stack], "found_modules": {"xul.pdb/AB0": True, "libc.so/CD0": True}}
        ]
    }


def count_frames(requests: Sequence[Any]) -> int:
    return sum(len(stack.frames) for request in requests for stack in request.stacks)


@pytest.fixture
def target(canned: CannedServer) -> str:
    canned.answers = [answer_by_name]
    return f"--target={canned.target}"


Write = Callable[[Sequence[str]], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_lines(lines: Sequence[str]) -> Path:
        path = tmp_path / "reports.jsonl"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write_lines


def test_each_line_is_answered_by_a_line_in_the_same_order(
    target: str, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write([make_line(number, 3) for number in range(5)])
    assert main(["symbolicate", str(file), target]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == [expected(number, 3) for number in range(5)]


def test_one_line_is_a_document_without_the_flag_for_lines(
    target: str, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(["{]"])
    assert main(["symbolicate", str(file), target]) == 2
    assert main(["symbolicate", "--lines", str(file), target]) == 3
    captured = capsys.readouterr()
    assert captured.err.startswith(f"symbolon: {file} is not valid JSON: ")
    assert json.loads(captured.out)["error"].startswith("line 1 is not valid JSON: ")


def test_a_malformed_line_has_its_error_in_its_place(
    target: str, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = json.dumps({"jobs": [json.loads(make_line(2, 3)), json.loads(make_line(2, 3))]})
    job = {"memoryMap": [["refused.so", "AB0"]], "stacks": [[[0, 1]]]}
    refused = json.dumps({"jobs": [json.loads(make_line(1, 3)), job]})
    lines = [make_line(0, 3), "", "{", '{"jobs": [7]}', refused, '{"jobs": []}', jobs]
    file = write([*lines, make_line(3, 3)])
    assert main(["symbolicate", str(file), target]) == 3
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert found[0] == expected(0, 3)
    assert found[1]["error"].startswith("line 3 is not valid JSON")
    assert found[2] == {"error": "line 4: job 0 is invalid"}
    assert found[3] == {"error": "line 5: job 1: refused.so is refused"}
    assert found[4] == {"results": []}
    assert found[5] == {"results": expected(2, 3)["results"] * 2}
    assert found[6] == expected(3, 3)
    assert len(found) == 7


ODD = {
    "memoryMap": [["C:\\out\\xul.pdb", "AB0"], ["x" * 300, "AB0"]],
    "stacks": [[[0, 1], [1, 2], [0, "3"]]],
}


def test_invalid_items_are_listed_and_the_rest_is_answered(
    target: str, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write([json.dumps(ODD), make_line(0, 1)])
    assert main(["symbolicate", str(file), target]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    (result,) = first["results"]
    assert [frame.get("function") for frame in result["stacks"][0]] == ["xul.pdb+1", None, None]
    assert [error.partition(":")[0] for error in result["errors"]] == [
        "module index 1 has an invalid debug_filename",
        "stack 0 frame 2 has an invalid module_offset",
    ]
    assert second["results"][0]["stacks"] == expected(0, 1)["results"][0]["stacks"]


def test_invalid_items_refuse_their_report_with_strict(
    target: str, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write([json.dumps(ODD), make_line(0, 3)])
    assert main(["symbolicate", "--strict", str(file), target]) == 3
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    job = "job 0 has invalid modules: module index 0 has an invalid debug_filename"
    assert first == {"error": f"line 1: {job}"}
    assert second == expected(0, 3)


def test_invalid_items_are_listed_in_text(
    target: str, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = {
        "memoryMap": [["xul.pdb", "AB0"], ["m\x1b", "AB0"]],
        "stacks": [[[0, -1], [1, 2], [0, 3]]],
    }
    file = write([json.dumps(odd)])
    assert main(["symbolicate", str(file), target, "--format=text"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Thread 0",
        "  0  xul.pdb  -0x1  (not looked up)",
        "  1  m\ufffd       0x2  (not looked up)",
        "  2  xul.pdb  xul.pdb+3",
        "",
        "Not looked up",
        "  module index 1 has an invalid debug_filename: it has control characters",
    ]


def test_versions_4_and_5_are_answered_side_by_side(
    target: str, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    older = json.dumps(json.loads(make_line(0, 1)) | {"version": 4})
    file = write([older, make_line(0, 1)])
    assert main(["symbolicate", str(file), target]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {
        "symbolicatedStacks": [["xul.pdb+0 (in xul.pdb)"]],
        "knownModules": [True, None],
    }
    assert list(second) == ["results"]
    assert main(["symbolicate", "--format=v4", str(file), target]) == 0
    assert capsys.readouterr().out.count("knownModules") == 2


def test_an_output_that_was_cut_off_is_resumed(
    target: str, canned: CannedServer, write: Write, tmp_path: Path
) -> None:
    file, out = write([make_line(number, 3) for number in range(6)]), tmp_path / "out.jsonl"
    out.write_text(f"{json.dumps(expected(0, 3))}\n{json.dumps(expected(1, 3))}\n" + '{"resu')
    assert main(["symbolicate", str(file), target, f"--output={out}"]) == 0
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert found == [expected(number, 3) for number in range(6)]
    assert count_frames(canned.requests) == 4 * 3
    assert main(["symbolicate", str(file), target, f"--output={out}"]) == 0
    assert len(canned.requests) == 1


def test_an_output_of_more_lines_than_the_input_is_refused(
    target: str, write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("{}\n{}\n{}\n")
    assert main(["symbolicate", str(write([make_line(1, 1)])), target, f"--output={out}"]) == 2
    assert "the output has 3 lines, the input only 1" in capsys.readouterr().err
    assert out.read_text() == "{}\n{}\n{}\n"


def test_an_output_that_cannot_be_written_is_bad_input(
    target: str, write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write([make_line(1, 1)])
    assert main(["symbolicate", str(file), target, f"--output={tmp_path}"]) == 2
    assert capsys.readouterr().err == f"symbolon: cannot write {tmp_path}: Is a directory\n"


def test_a_run_whose_output_cannot_grow_can_be_resumed(
    target: str, write: Write, tmp_path: Path
) -> None:
    file, out = write([make_line(number) for number in range(40)]), tmp_path / "out.jsonl"
    program = f"{sys.executable} -m symbolon symbolicate {file} {target} --output={out}"
    done = subprocess.run(
        ["sh", "-c", f"ulimit -f 200; exec {program}"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr == f"symbolon: cannot write {out}: File too large\n"
    assert main(["symbolicate", str(file), target, f"--output={out}"]) == 0
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert found == [expected(number) for number in range(40)]


def test_a_frame_is_requested_once_unless_remembering_is_off(
    target: str, canned: CannedServer, write: Write, tmp_path: Path
) -> None:
    file = write([make_line(0)] * 200)
    outs = [tmp_path / "remembered.jsonl", tmp_path / "asked.jsonl"]
    assert main(["symbolicate", str(file), target, f"--output={outs[0]}"]) == 0
    few = count_frames(canned.requests)
    canned.requests.clear()
    command = ["symbolicate", str(file), target, f"--output={outs[1]}", "--remember=0"]
    assert main(command) == 0
    assert few < count_frames(canned.requests) / 3
    assert count_frames(canned.requests) == 200 * FRAMES
    assert outs[0].read_bytes() == outs[1].read_bytes()


def test_a_killed_run_is_resumed_without_loss_or_duplicates(
    target: str, canned: CannedServer, write: Write, tmp_path: Path
) -> None:
    file, out = write([make_line(number) for number in range(300)]), tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "symbolon", "symbolicate", str(file), target]
    running: list[subprocess.Popen[bytes]] = []

    def kill_when_some_are_written(request: Any, context: grpc.ServicerContext) -> Any:
        if len(canned.requests) >= 15 and out.stat().st_size > 0:
            running[0].send_signal(signal.SIGKILL)
        return answer_by_name(request, context)

    canned.answers = [kill_when_some_are_written]
    with subprocess.Popen([*command, f"--output={out}"]) as program:
        running.append(program)
    assert program.returncode == -signal.SIGKILL
    before = out.read_bytes().count(b"\n")
    assert 0 < before < 300

    canned.answers, canned.requests = [answer_by_name], []
    subprocess.run([*command, f"--output={out}"], check=True, timeout=60)
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert found == [expected(number) for number in range(300)]
    # A call of the run that was killed may be answered only now.
    asked = {
        frame.module_offset
        for request in canned.requests
        for stack in request.stacks
        for frame in stack.frames
    }
    assert asked == set(range(before * FRAMES, 300 * FRAMES))


def test_a_server_that_stops_leaves_the_finished_lines(
    target: str, canned: CannedServer, write: Write, tmp_path: Path
) -> None:
    def stop_later(request: Any, context: grpc.ServicerContext) -> Any:
        if request.stacks[0].frames[0].module_offset >= 24 * FRAMES:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "the token is not known any more")
        return answer_by_name(request, context)

    canned.answers = [stop_later]
    file, out = write([make_line(number) for number in range(60)]), tmp_path / "out.jsonl"
    assert main(["symbolicate", str(file), target, f"--output={out}"]) == 1
    assert out.read_bytes().count(b"\n") == 24


def test_progress_is_shown_on_request(
    target: str, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write([make_line(number, 3) for number in range(5)] + ["{"])
    assert main(["symbolicate", str(file), target, "--progress"]) == 3
    printed = capsys.readouterr().err
    assert printed.startswith("6 reports, 1 refused, 100 % of the input, ")
    assert printed.endswith(" frames/s\n")
    assert main(["symbolicate", str(file), target]) == 3
    assert capsys.readouterr().err == ""


def test_text_has_each_crash_in_its_place(
    target: str, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write([make_line(0, 1), "{", make_line(1, 1)])
    assert main(["symbolicate", str(file), target, "--format=text"]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["Report 1", "", "Thread 0"]
    assert lines[3] == "  0  xul.pdb  xul.pdb+0"
    assert "Report 2: line 2 is not valid JSON" in "\n".join(lines)
    assert lines[-2:] == ["  0  xul.pdb  xul.pdb+1", ""]


def test_text_is_refused_for_an_output_that_can_be_resumed(
    target: str, write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["symbolicate", str(write([make_line(0, 1)])), target, "--format=text"]
    assert main([*command, f"--output={tmp_path / 'out'}"]) == 2
    assert capsys.readouterr().err == (
        "symbolon: --output writes one line per report, which --format text is not\n"
    )


def test_reports_come_through_a_pipe(target: str) -> None:
    lines = "\n".join(make_line(number, 3) for number in range(3))
    done = subprocess.run(
        [sys.executable, "-m", "symbolon", "symbolicate", target],
        input=lines.encode(),
        capture_output=True,
        check=True,
        timeout=60,
        env=os.environ | {"PYTHONWARNINGS": "error"},
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert found == [expected(number, 3) for number in range(3)]
