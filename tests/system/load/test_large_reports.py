"""Reports that are larger than a server takes at once, through its own client."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from symbolon import Client, Frame, InvalidRequestError, Module, Report
from symbolon._batching.joint_calls import CALL_SIZE
from tests.app.conftest import PATIENCE_SECONDS, StartProgram, environment, serve, start

__all__ = ["environment", "serve", "start"]

ORCHARD = Module("orchard", "C3D8E3C7B6594DF1DFCA907993B477250")
MAIN, GRADE = 4210, 4624
FUNCTIONS = {MAIN: "main", GRADE: "orchard::grade(orchard::Crate const&)"}


@pytest.fixture
def target(serve: StartProgram) -> str:
    """A server that takes no more in a call than its client puts there."""
    limits = {"max_frames": str(CALL_SIZE.frames), "max_modules": str(CALL_SIZE.modules)}
    return serve("--worker", **limits).await_address()


def test_a_report_beyond_the_limits_of_the_server_is_answered(target: str) -> None:
    stacks = [[Frame(1, (MAIN, GRADE)[index % 2]) for index in range(9_000)], []]
    others = [Module(f"lib{number}.so", "") for number in range(CALL_SIZE.modules)]
    report = Report([others[0], ORCHARD, *others[1:]], stacks)
    with Client(target, timeout=PATIENCE_SECONDS) as client:
        with pytest.raises(InvalidRequestError, match="limit"):
            client.symbolicate(report.modules, report.stacks, with_diagnostics=True)
        answer = client.symbolicate(report.modules, report.stacks)
    asked = [[FUNCTIONS[frame.module_offset] for frame in stack] for stack in report.stacks]
    assert [[frame.function for frame in stack] for stack in answer.stacks] == asked
    assert [result.outcome.name for result in answer.modules[:3]] == [
        "NOT_REFERENCED",
        "FOUND",
        "NOT_REFERENCED",
    ]
    assert len(answer.modules) == len(report.modules)


def test_many_reports_go_through_the_command_line(target: str, tmp_path: Path) -> None:
    reports, answers = tmp_path / "reports.jsonl", tmp_path / "answers.jsonl"
    memory_map = [[ORCHARD.debug_file, ORCHARD.debug_id]]
    offsets = [(MAIN, GRADE)[number % 2] for number in range(300)]
    with reports.open("w") as file:
        for offset in offsets:
            file.write(json.dumps({"memoryMap": memory_map, "stacks": [[[0, offset]] * 40]}) + "\n")
    command = [sys.executable, "-m", "symbolon", "symbolicate", f"--target={target}"]
    subprocess.run([*command, f"--output={answers}", str(reports)], check=True, timeout=100)
    lines = answers.read_text().splitlines()
    found = [json.loads(line)["results"][0]["stacks"][0] for line in lines]
    assert [{frame["function"] for frame in stack} for stack in found] == [
        {FUNCTIONS[offset]} for offset in offsets
    ]
    assert {len(stack) for stack in found} == {40}
