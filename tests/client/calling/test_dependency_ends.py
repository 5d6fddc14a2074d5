"""The client with the oldest and with the newest grpcio and protobuf, and nothing else."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.client.calling.dependency_ends import FLOOR, NEWEST, install
from tests.fixtures.installing import INSTALL_SECONDS

ROOT = Path(__file__).resolve().parents[3]

USE_THE_CLIENT = """
import asyncio, io, json, sys

sys.path[:0] = sys.argv[1:3]
import grpc, google.protobuf
import symbolon
from symbolon import AsyncClient, Client, Frame, Module, Report
from symbolon.command_line.arguments import main
from symbolon.testing import FakeServer

orchard = Module("orchard", "AB0")
report = Report([orchard], [[Frame(0, number) for number in range(5_000)]])


async def ask(target):
    async with AsyncClient(target) as client:
        answers = [result async for result in client.symbolicate_many([report] * 3)]
        info = await client.get_module("orchard", "AB0")
    return [result.symbolication() for result in answers], info


def run(*arguments):
    printed, sys.stdout = sys.stdout, io.StringIO()
    try:
        code = main([*arguments, f"--target={server.target}"])
        return code, sys.stdout.getvalue()
    finally:
        sys.stdout = printed


with FakeServer() as server:
    server.add_frame(orchard, 16, "pick()", file="a.cpp", line=7)
    with Client(server.target) as client:
        batch = client.symbolicate_batch([report] * 3)
        diagnostics = client.symbolicate([orchard], [[]], max_wait=0, with_diagnostics=True)
    answers, info = asyncio.run(ask(server.target))
    assert list(batch) == answers
    with open(sys.argv[3], "w") as file:
        json.dump({"memoryMap": [["orchard", "AB0"]], "stacks": [[[0, 16]]]}, file)
    print(json.dumps({
        "versions": [grpc.__version__, google.protobuf.__version__],
        "function": batch[0].stacks[0][16].function,
        "outcome": info.outcome.name,
        "json": run("symbolicate", sys.argv[3]),
        "text": run("symbolicate", "--format=text", sys.argv[3]),
        "info": run("info")[0],
    }))
"""


@pytest.mark.installs
@pytest.mark.timeout(INSTALL_SECONDS + 60)
@pytest.mark.parametrize("packages", [FLOOR, NEWEST], ids=["floor", "newest"])
def test_the_client_works_with_nothing_but(packages: Sequence[str], tmp_path: Path) -> None:
    installed = install(packages)
    # Without site, none of the packages of this environment is there.
    command = [sys.executable, "-I", "-S", "-c", USE_THE_CLIENT]
    done = subprocess.run(
        [*command, str(installed), str(ROOT / "client"), str(tmp_path / "report.json")],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for package, version in zip(packages, found["versions"], strict=True):
        assert package in {package.partition("==")[0], f"{package.partition('==')[0]}=={version}"}
    assert (found["function"], found["outcome"], found["info"]) == ("pick()", "FOUND", 0)
    code, printed = found["json"]
    assert code == 0
    assert json.loads(printed)["results"][0]["found_modules"] == {"orchard/AB0": True}
    assert found["text"] == [0, "Thread 0\n  0  orchard  pick()  [a.cpp:7]\n"]


def test_the_floor_is_what_the_wheel_asks_for() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for package in FLOOR:
        assert f'"{package.replace("==", ">=")}' in text
