"""The program `symbolon` against a real server."""

import io
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

import symbolon
from symbolon import ServerUnreachableError
from symbolon._forms.raw_lines import RAW_LINE_EXAMPLE
from symbolon.command_line.arguments import main
from symbolon.v1 import (
    diagnostics_pb2,
    module_pb2,
    module_service_pb2,
    stack_pb2,
    symbolication_service_pb2,
)
from tests.client.canned import CannedServer

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
CRASH = SAMPLE / "crash.json"


def symbolicate_by_echo(request: Any, _: grpc.ServicerContext) -> Any:
    """Answer each frame of the first module with a function that says how it was requested."""
    response = symbolication_service_pb2.SymbolicateResponse()
    for module in request.modules:
        is_first = module == request.modules[0]
        outcome = module_pb2.MODULE_OUTCOME_FOUND if is_first else module_pb2.MODULE_OUTCOME_MISSING
        response.modules.add(outcome=outcome)
    for stack in request.stacks:
        answered = response.stacks.add()
        for frame in stack.frames:
            added = answered.frames.add(
                module=request.modules[frame.module_index].debug_file,
                module_offset=frame.module_offset,
                outcome=stack_pb2.FRAME_OUTCOME_MODULE_MISSING,
            )
            if frame.module_index == 0:
                kind = "return" if frame.is_return_address else "instruction"
                added.function, added.file, added.line = kind, "a.cpp", 1
    return response


@pytest.fixture
def target(canned: CannedServer) -> str:
    canned.answers = [symbolicate_by_echo]
    return f"--target={canned.target}"


def test_a_report_is_answered_in_the_json_of_tecken(
    target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["symbolicate", str(CRASH), target]) == 0
    [result] = json.loads(capsys.readouterr().out)["results"]
    [stack] = result["stacks"]
    assert stack[0] == {
        "frame": 0,
        "module": "orchard",
        "module_offset": "0x1210",
        "function": "instruction",
        "function_offset": "0x0",
        "file": "a.cpp",
        "line": 1,
    }
    assert stack[4] == {"frame": 4, "module": "libc.so.6", "module_offset": "0x27249"}
    assert list(result["found_modules"].values()) == [True, False]


def test_a_report_is_read_from_standard_input(
    target: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CRASH.read_bytes())))
    assert main(["symbolicate", "-", target]) == 0
    assert len(json.loads(capsys.readouterr().out)["results"][0]["stacks"][0]) == 7


def test_a_report_is_written_for_people(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["symbolicate", str(CRASH), target, "--format", "text"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Thread 0"
    assert lines[1] == "  0  orchard    instruction  [a.cpp:1]"
    assert lines[-1] == "  libc.so.6/EC61AC938E5A39B16F9FBD350E3169A50  missing"


def test_several_reports_have_headings(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = json.loads(CRASH.read_bytes())["jobs"][0]
    file = tmp_path / "two.json"
    file.write_text(json.dumps({"jobs": [job, job]}))
    assert main(["symbolicate", str(file), target, "--format", "text"]) == 0
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if line.startswith("Report")] == [
        "Report 0",
        "Report 1",
    ]


def test_return_addresses_are_sent_as_such(
    target: str, canned: CannedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    file = SAMPLE / "crash-return-addresses.json"
    assert main(["symbolicate", str(file), target, "--return-addresses"]) == 0
    [stack] = json.loads(capsys.readouterr().out)["results"][0]["stacks"]
    assert [frame.get("function") for frame in stack[:3]] == ["instruction", "return", "return"]
    assert [frame.is_return_address for frame in canned.requests[0].stacks[0].frames] == [
        False,
        *[True] * 6,
    ]


def test_debug_counts_lookups_and_fetches_as_eliot_does(
    target: str, canned: CannedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes = [
        module_pb2.MODULE_OUTCOME_FOUND,
        module_pb2.MODULE_OUTCOME_FOUND,
        module_pb2.MODULE_OUTCOME_MISSING,
        module_pb2.MODULE_OUTCOME_NOT_REFERENCED,
    ]
    waits = [Duration(), Duration(), Duration(seconds=2), Duration()]
    diagnostics = diagnostics_pb2.Diagnostics(
        duration=Duration(seconds=4),
        tiers=[diagnostics_pb2.TierLookups(duration=Duration(nanos=250_000_000))] * 2,
        modules=[
            diagnostics_pb2.ModuleDiagnostics(is_ingest_requested=index in {1, 2}, waited=wait)
            for index, wait in enumerate(waits)
        ],
    )
    response = symbolication_service_pb2.SymbolicateResponse(
        stacks=[stack_pb2.SymbolicatedStack(frames=[stack_pb2.SymbolicatedFrame()] * 3)],
        modules=[module_pb2.ModuleResult(outcome=outcome) for outcome in outcomes],
        diagnostics=diagnostics,
    )
    held = module_service_pb2.GetModuleResponse(
        held=module_service_pb2.HeldModule(
            fetched_bytes=1_000, ingest_duration=Duration(nanos=500_000_000)
        )
    )
    canned.answers = [lambda _request, _context: response, lambda _request, _context: held]
    modules = [[name, "AB0"] for name in ("a", "b", "c", "d")]
    file = tmp_path / "report.json"
    file.write_text(json.dumps({"memoryMap": modules, "stacks": [[[0, 1], [1, 2], [2, 3]]]}))
    assert main(["symbolicate", str(file), target, "--debug"]) == 0
    assert json.loads(capsys.readouterr().out)["debug"] == {
        "time": 4.0,
        "cache_lookups": {"count": 3, "hits": 1, "time": 0.5},
        "downloads": {
            "count": 2,
            "size": 1_000,
            "time": 0.5,
            "size_per_module": {"b/AB0": 1_000},
            "time_per_module": {"b/AB0": 0.5},
            "fail_time_per_module": {"c/AB0": 2.0},
        },
        "parse_sym": {"time": 0.0},
        "save_symcache": {"time": 0.0},
        "modules": {"count": 3, "stacks_per_module": {"a/AB0": 1, "b/AB0": 1, "c/AB0": 1}},
    }
    assert canned.requests[0].with_diagnostics


def test_the_wait_and_the_deadline_are_those_of_the_flags(
    target: str, canned: CannedServer
) -> None:
    assert main(["symbolicate", str(CRASH), target, "--max-wait=0", "--timeout=9"]) == 0
    assert canned.requests[0].HasField("max_wait")
    assert canned.requests[0].max_wait.ToNanoseconds() == 0
    assert canned.seconds_allowed == [pytest.approx(9, abs=1)]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ("\xff", "has no form that can be read. Accepted are crash reports"),
        ("==1==ERROR: AddressSanitizer: SEGV", "<debug file>/<DEBUG ID> <offset>, such as: xul"),
        ("", "crash.json is empty. Accepted are crash reports in the JSON of Tecken"),
        ("MDMP\x93\xa7", "is a minidump: its stacks must be walked first"),
        (
            "Segmentation fault",
            "minidump-stackwalk (text); minidump_stackwalk -m; Android tombstone; ",
        ),
        ("\x1f\x8b\x08", "the compressed input is damaged: Compressed file ended before"),
        ('{"jobs": [{}]}', "job 0 is invalid: no stacks specified"),
    ],
    ids=[
        "cut off",
        "deep",
        "binary",
        "other text",
        "empty",
        "minidump",
        "a shell",
        "gzip",
        "no stacks",
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    content: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "crash.json"
    file.write_bytes(content.encode("latin-1"))
    assert main(["symbolicate", str(file)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("symbolon: ")
    assert complaint in line


def test_the_example_line_is_accepted(target: str, canned: CannedServer, tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_text(RAW_LINE_EXAMPLE)
    assert main(["symbolicate", str(file), target]) == 0
    assert canned.requests[0].modules[0].debug_file == "xul.pdb"


def test_what_comes_through_a_pipe_is_called_standard_input() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "symbolon", "symbolicate"],
        input=b"{",
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 2
    assert run.stderr.startswith(b"symbolon: standard input is not valid JSON: ")


def test_a_second_file_is_refused_with_the_way_to_give_several(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["symbolicate", "a.jsonl", "b.jsonl"])
    assert ended.value.code == 2
    complaint = capsys.readouterr().err
    assert "unrecognized arguments: b.jsonl; one FILE at a time" in complaint
    assert "cat FILE FILE | symbolon symbolicate -" in complaint
    with pytest.raises(SystemExit):
        main(["symbolicate", "a.jsonl", "--fast"])
    assert "one FILE" not in capsys.readouterr().err


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"symbolon {symbolon.__version__}\n"
    assert symbolon.__version__ == version("symbolon-grpc")


def test_a_missing_file_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["symbolicate", "/nowhere/crash.json"]) == 2
    assert capsys.readouterr().err == (
        "symbolon: cannot read /nowhere/crash.json: No such file or directory\n"
    )


def test_what_the_server_refuses_is_bad_input(
    target: str, canned: CannedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: Any, context: grpc.ServicerContext) -> Any:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "modules[0].debug_file has a\nNUL")

    canned.answers = [refuse]
    assert main(["symbolicate", str(CRASH), target]) == 2
    assert capsys.readouterr().err == "symbolon: job 0: modules[0].debug_file has a NUL\n"


def test_an_unreachable_server_is_exit_code_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["symbolicate", str(CRASH), "--target=127.0.0.1:1", "--timeout=20"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("symbolon: cannot reach 127.0.0.1:1: ")
    assert line.endswith(ServerUnreachableError.advice)


def test_an_unreachable_server_is_waited_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    flags = ["--target=127.0.0.1:1", "--timeout=0.2", "--wait-for-ready"]
    assert main(["health", *flags]) == 1
    assert "Allow a longer timeout" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["symbolicate", "-", "--timeout=0"],
        ["symbolicate", "-", "--timeout=nan"],
        ["symbolicate", "-", "--max-wait=-1"],
        ["symbolicate", "-", "--max-wait=soon"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


@pytest.mark.parametrize("command", [[], ["symbolicate"], ["module"], ["info"], ["health"]])
def test_help_lists_the_exit_codes(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*command, "--help"])
    assert "exit codes:" in capsys.readouterr().out


def test_a_module_is_shown_in_lines(
    target: str, canned: CannedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    response = module_service_pb2.GetModuleResponse(
        outcome=module_pb2.MODULE_OUTCOME_FOUND,
        held=module_service_pb2.HeldModule(pages=12, stored_bytes=34567, skipped_records={"F": 2}),
    )
    canned.answers = [lambda _request, _context: response]
    assert main(["module", "xul.pdb/AB1", target]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "outcome: found"
    assert "  pages: 12" in lines
    assert "  stored bytes: 34,567" in lines
    assert lines[lines.index("  skipped records:") + 1] == "    F: 2"
    assert canned.requests[0].module.debug_file == "xul.pdb"


def test_a_module_without_a_slash_is_bad_input(
    target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["module", "xul.pdb", target]) == 2
    assert capsys.readouterr().err == "symbolon: xul.pdb is not DEBUG_FILE/DEBUG_ID\n"


def test_health_of_a_server_without_health_is_exit_code_1(
    target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["health", target]) == 1
    assert "Method not found" in capsys.readouterr().err


def test_the_program_runs_by_itself(target: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "symbolon", "symbolicate", "-", target],
        input=CRASH.read_bytes(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert run.stderr == b""
    assert len(json.loads(run.stdout)["results"]) == 1


def test_a_reader_that_closes_the_pipe_is_no_error(target: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "symbolon", "symbolicate", str(CRASH), target],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as program:
        assert program.stdout is not None
        program.stdout.close()
        _, complaints = program.communicate(timeout=60)
    assert (program.returncode, complaints) == (0, b"")
