"""What a real server refuses of many reports is told with its place in the one that it is in."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from symbolon import AsyncClient, Client, Frame, InvalidRequestError, Module, Report
from symbolon._batching.joint_calls import CALL_SIZE
from tests.app.conftest import PATIENCE_SECONDS, SAMPLE, environment_in, starting

ORCHARD = Module("orchard", "C3D8E3C7B6594DF1DFCA907993B477250")
FINE = Report([ORCHARD], [[Frame(0, 4210)]])
WRONG = Module("out/wrong.so", "AB0")
IN_CALL = Report([ORCHARD, ORCHARD, Module("x", ""), WRONG], [[Frame(3, 1)]])
OF_MANY = Report(
    [*(Module(f"lib{number}.so", "") for number in range(CALL_SIZE.modules)), WRONG, ORCHARD],
    [
        [Frame(CALL_SIZE.modules + 1, n) for n in range(CALL_SIZE.frames)],
        [Frame(CALL_SIZE.modules, 1)],
    ],
)
LIMIT = 5
TOO_MANY = [[f"lib{number}.so", ""] for number in range(LIMIT + 1)]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with ordinary limits."""
    folder = tmp_path_factory.mktemp("ordinary")
    settings = {"listen": "127.0.0.1:0", "suppliers": str(SAMPLE / "symbols")}
    with starting(environment_in(folder), folder) as start:
        yield start("serve", **settings).await_address()


def check(error: object, module: int) -> None:
    assert isinstance(error, InvalidRequestError)
    field = f"modules[{module}].debug_file"
    assert [violation.field for violation in error.violations] == [field]
    assert str(error).startswith(f"{field}: ")


@pytest.mark.parametrize("remember_seconds", [0, 60])
@pytest.mark.parametrize(
    ("wrong", "module"), [(IN_CALL, 3), (OF_MANY, CALL_SIZE.modules)], ids=["joined", "divided"]
)
def test_a_refusal_names_the_module_by_its_place_in_the_report(
    target: str, wrong: Report, module: int, remember_seconds: float
) -> None:
    with Client(target, timeout=PATIENCE_SECONDS) as client:
        results = list(
            client.symbolicate_many([FINE, wrong, FINE], remember_seconds=remember_seconds)
        )
    assert [result.error is None for result in results] == [True, False, True]
    assert results[2].symbolication().stacks[0][0].function == "main"
    check(results[1].error, module)


def test_a_refusal_names_it_for_asyncio_as_well_and_of_a_batch_the_report(target: str) -> None:
    async def ask() -> None:
        async with AsyncClient(target, timeout=PATIENCE_SECONDS) as client:
            with pytest.raises(InvalidRequestError) as caught:
                await client.symbolicate(OF_MANY.modules, OF_MANY.stacks)
            check(caught.value, CALL_SIZE.modules)
            with pytest.raises(InvalidRequestError, match=r"^reports\[1\]: modules\[3\]"):
                await client.symbolicate_batch([FINE, IN_CALL])

    asyncio.run(ask())
    with (
        Client(target, timeout=PATIENCE_SECONDS) as client,
        pytest.raises(InvalidRequestError, match=r"^reports\[2\]: modules\[3\]\.debug_file: "),
    ):
        client.symbolicate_batch([FINE, FINE, IN_CALL])


def test_a_refusal_names_line_and_job_on_the_command_line(tmp_path: Path) -> None:
    fine = {"memoryMap": [[ORCHARD.debug_file, ORCHARD.debug_id]], "stacks": [[[0, 4210]]]}
    large = {"memoryMap": TOO_MANY, "stacks": [[[0, 1]]]}
    lines = [json.dumps(fine), "", json.dumps({"jobs": [fine, large]}), json.dumps(fine)]
    file = tmp_path / "reports.jsonl"
    file.write_text("\n".join(lines))
    settings = {"listen": "127.0.0.1:0", "suppliers": str(SAMPLE / "symbols")}
    with starting(environment_in(tmp_path), tmp_path) as start:
        address = start("serve", max_modules=str(LIMIT), **settings).await_address()
        command = [sys.executable, "-m", "symbolon", "symbolicate", f"--target={address}"]
        done = subprocess.run([*command, str(file)], capture_output=True, check=False, timeout=60)
    assert done.returncode == 3, done.stderr
    first, refused, last = map(json.loads, done.stdout.splitlines())
    assert first == last
    assert first["results"][0]["stacks"][0][0]["function"] == "main"
    limit = f"modules: has {LIMIT + 1} entries, the limit is {LIMIT}"
    assert refused == {"error": f"line 3: job 1: {limit}"}
