"""The commands for operators: `module`, `prefetch`, `missing`, `queue`, `explain`, `info` …."""

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from symbolon._module_ids import DEBUG_ID_FORM
from symbolon.command_line.arguments import main
from symbolon.command_line.parsers import BAD_INPUT
from symbolon.command_line.showing import facts
from symbolon.v1 import (
    explanation_pb2,
    module_pb2,
    module_service_pb2,
    store_service_pb2,
    tier_pb2,
)
from tests.client.calling.test_module_calls import EXPLANATION
from tests.client.canned import CannedServer

CRASH = Path(__file__).parents[2] / "data" / "sample" / "crash.json"
NOON = Timestamp(seconds=int(datetime(2026, 3, 4, 12, tzinfo=UTC).timestamp()))


@pytest.fixture
def target(canned: CannedServer) -> str:
    return f"--target={canned.target}"


def answer(canned: CannedServer, response: Message) -> None:
    canned.answers = [lambda _request, _context: response]


def test_a_module_is_shown_as_json(
    target: str, canned: CannedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    held = module_service_pb2.HeldModule(pages=12, skipped_records={"FUNC": 2}, ingested_at=NOON)
    answer(
        canned,
        module_service_pb2.GetModuleResponse(outcome=module_pb2.MODULE_OUTCOME_FOUND, held=held),
    )
    assert main(["module", "xul.pdb/AB1", "--json", target]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["outcome"], printed["retry_after_seconds"]) == ("found", None)
    assert printed["held"]["skipped_records"] == {"FUNC": 2}
    assert printed["held"]["ingested_at"] == "2026-03-04T12:00:00+00:00"


def test_a_module_without_any_record_is_unknown(
    target: str, canned: CannedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = module_pb2.MODULE_OUTCOME_NOT_REFERENCED
    answer(canned, module_service_pb2.GetModuleResponse(outcome=nothing, detail="never asked"))
    assert main(["module", "xul.pdb/AB1", target]) == 0
    assert capsys.readouterr().out == "outcome: unknown\ndetail: never asked\nfailed attempts: 0\n"
    forgotten = [module_service_pb2.InvalidatedModule(previous_outcome=nothing)]
    answer(canned, module_service_pb2.InvalidateModulesResponse(modules=forgotten))
    assert main(["invalidate", "xul.pdb/AB1", target]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["xul.pdb/AB1", "unknown"]


@pytest.mark.parametrize("command", ["module", "invalidate", "prefetch", "explain"])
def test_a_debug_id_is_sent_as_written(target: str, canned: CannedServer, command: str) -> None:
    debug_id = "{44E4EC8C-2F41-492B-9369-D6B9A059577C}-2"
    answers = {
        "module": module_service_pb2.GetModuleResponse(),
        "invalidate": module_service_pb2.InvalidateModulesResponse(
            modules=[module_service_pb2.InvalidatedModule()]
        ),
        "prefetch": module_service_pb2.PrefetchModulesResponse(modules=[module_pb2.ModuleResult()]),
        "explain": EXPLANATION,
    }
    answer(canned, answers[command])
    offset = ["0x10"] if command == "explain" else []
    assert main([command, f"xul.pdb/{debug_id}", *offset, target]) == 0
    (request,) = canned.requests
    (module,) = request.modules if hasattr(request, "modules") else [request.module]
    assert (module.debug_file, module.debug_id) == ("xul.pdb", debug_id)


@pytest.mark.parametrize("command", ["module", "explain"])
@pytest.mark.parametrize("name", ["orchard", "orchard/"])
def test_a_module_may_have_a_code_id_alone(
    target: str, canned: CannedServer, command: str, name: str
) -> None:
    answer(canned, EXPLANATION if command == "explain" else module_service_pb2.GetModuleResponse())
    offset = ["0x10"] if command == "explain" else []
    assert main([command, name, *offset, "--code-id=c7e3", target]) == 0
    (request,) = canned.requests
    assert request.module == module_pb2.Module(debug_file="orchard", code_id="c7e3")


@pytest.mark.parametrize("command", ["module", "invalidate", "prefetch", "explain"])
def test_a_module_without_a_debug_id_is_refused_and_told_where_to_find_it(
    target: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    offset = ["0x10"] if command == "explain" else []
    assert main([command, "mill.exe/", *offset, target]) == BAD_INPUT
    assert "mill.exe/ has no debug id: " in capsys.readouterr().err


PREFETCHED = module_service_pb2.PrefetchModulesResponse(
    modules=[
        module_pb2.ModuleResult(outcome=module_pb2.MODULE_OUTCOME_PENDING),
        module_pb2.ModuleResult(outcome=module_pb2.MODULE_OUTCOME_MISSING, detail="nobody has it"),
    ]
)


def test_modules_are_prefetched(
    target: str, canned: CannedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(canned, PREFETCHED)
    assert main(["prefetch", "xul.pdb/AB1", "libc.so/CD0", "xul.pdb/AB1", target]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "module       outcome  detail",
        "xul.pdb/AB1  pending",
        "libc.so/CD0  missing  nobody has it",
        "1 pending, 1 missing",
    ]
    assert [module.debug_file for module in canned.requests[0].modules] == ["xul.pdb", "libc.so"]
    assert main(["prefetch", "xul.pdb/AB1", "libc.so/CD0", "--json", target]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed[0]["module"]["debug_file"] == "xul.pdb"
    assert [entry["outcome"] for entry in printed] == ["pending", "missing"]


def test_the_modules_of_reports_are_prefetched(
    target: str, canned: CannedServer, tmp_path: Path
) -> None:
    pending = module_pb2.ModuleResult(outcome=module_pb2.MODULE_OUTCOME_PENDING)
    canned.answers = [
        lambda request, _: module_service_pb2.PrefetchModulesResponse(
            modules=[pending] * len(request.modules)
        )
    ]
    assert main(["prefetch", "--from", str(CRASH), target]) == 0
    lines = tmp_path / "reports.jsonl"
    report = {"memoryMap": [["a", "AB0"], ["", ""], ["c", "", "", "C7E3"]], "stacks": [[]]}
    other = {"memoryMap": [["a", "AB0"], ["b", "CD0"]], "stacks": [[]], "version": 4}
    lines.write_text(f"{json.dumps(report)}\n{json.dumps(other)}\n")
    assert main(["prefetch", "--from", str(lines), target]) == 0
    raw = tmp_path / "raw"
    raw.write_text("a/AB0 0x1\nb/CD0 17\na/AB0 5\n")
    assert main(["prefetch", "--from", str(raw), target]) == 0
    asked = [[module.debug_file for module in request.modules] for request in canned.requests]
    assert asked == [["orchard", "libc.so.6"], ["a", "c", "b"], ["a", "b"]]


def test_invalid_modules_of_reports_are_left_out_with_a_warning(
    target: str, canned: CannedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = module_pb2.ModuleResult(outcome=module_pb2.MODULE_OUTCOME_FOUND)
    canned.answers = [
        lambda request, _: module_service_pb2.PrefetchModulesResponse(
            modules=[found] * len(request.modules)
        )
    ]
    odd = {"memoryMap": [["x" * 300, "AB0"], ["C:\\out\\a.so", "AB0"]], "stacks": [[[0, 9], 7]]}
    report, raw = tmp_path / "odd.json", tmp_path / "lines"
    report.write_text(json.dumps(odd))
    raw.write_bytes(b"/usr/lib/b.so/CD0 0x1\na\tb/CD0 0x1\nc\xff.so/CD0 0x1\nd.so/{-} 0x1\n")
    assert main(["prefetch", "--from", str(report), "/opt/c.so/EF0", target]) == 0
    assert main(["prefetch", "--from", str(raw), target]) == 0
    asked = [[(m.debug_file, m.debug_id) for m in request.modules] for request in canned.requests]
    assert asked == [[("c.so", "EF0"), ("a.so", "AB0")], [("b.so", "CD0"), ("c\ufffd.so", "CD0")]]
    long = "the debug file: it has 300 bytes, the limit is 255"
    assert capsys.readouterr().err.splitlines() == [
        f"symbolon: {report}: job 0: module index 0 is left out: {long}",
        "symbolon: line 2 is left out: the debug file: it has control characters",
        f"symbolon: line 4 is left out: the debug id: it must be {DEBUG_ID_FORM}",
    ]


@pytest.mark.parametrize("command", ["prefetch", "invalidate"])
def test_no_module_at_all_is_bad_input(
    command: str, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, target]) == 2
    assert "no module is named" in capsys.readouterr().err


def test_more_modules_than_a_call_may_hold_are_several_calls(
    target: str, canned: CannedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def prefetch_all(request: Any, _context: Any) -> Any:
        return module_service_pb2.PrefetchModulesResponse(
            modules=[module_pb2.ModuleResult() for _ in request.modules]
        )

    canned.answers = [prefetch_all]
    report = tmp_path / "report.json"
    modules = [[f"m{number}", "AB0"] for number in range(2_500)]
    report.write_text(json.dumps({"memoryMap": modules, "stacks": [[]]}))
    assert main(["prefetch", "--from", str(report), target, "--json"]) == 0
    assert [len(request.modules) for request in canned.requests] == [1_000, 1_000, 500]
    assert len(json.loads(capsys.readouterr().out)) == 2_500


def test_modules_are_invalidated(
    target: str, canned: CannedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    before = module_service_pb2.InvalidatedModule(
        previous_outcome=module_pb2.MODULE_OUTCOME_MALFORMED
    )
    answer(canned, module_service_pb2.InvalidateModulesResponse(modules=[before]))
    assert main(["invalidate", "xul.pdb/AB1", target]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "module       was",
        "xul.pdb/AB1  malformed",
    ]
    assert main(["invalidate", "xul.pdb/AB1", "--json", target]) == 0
    assert json.loads(capsys.readouterr().out)[0]["previous_outcome"] == "malformed"


def test_missing_modules_are_listed(
    target: str, canned: CannedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = module_service_pb2.MissingModule(
        module=module_pb2.Module(debug_file="xul.pdb", debug_id="AB1"),
        requests=1_234,
        first_seen=NOON,
        last_seen=NOON,
    )
    answer(canned, module_service_pb2.ListMissingModulesResponse(modules=[missing], total=7))
    assert main(["missing", "--limit=1", target]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "xul.pdb/AB1     1,234  2026-03-04 12:00:00 UTC  2026-03-04 12:00:00 UTC"
    assert lines[2] == "1 of 7 missing modules"
    assert canned.requests[0].limit == 1
    assert main(["missing", "--json", target]) == 0
    assert json.loads(capsys.readouterr().out)["modules"][0]["requests"] == 1_234


def test_no_missing_modules_are_none(
    target: str, canned: CannedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(canned, module_service_pb2.ListMissingModulesResponse())
    assert main(["missing", target]) == 0
    assert capsys.readouterr().out == "0 of 0 missing modules\n"


def test_the_queue_is_shown(
    target: str, canned: CannedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    running = module_service_pb2.RunningIngest(
        module=module_pb2.Module(debug_file="xul.pdb", debug_id="AB1"),
        worker="host:7",
        duration=Duration(seconds=2),
        attempts=1,
        caller="crashes",
    )
    queue = module_service_pb2.GetQueueResponse(
        awaited=1_234, longest_wait=Duration(seconds=60), running=[running], total_running=101
    )
    answer(canned, queue)
    assert main(["queue", target]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "in line: 1,234 awaited, 0 wanted, 0 prefetches; the longest wait is 60.0 s",
        "module       worker  seconds  attempts  caller",
        "xul.pdb/AB1  host:7      2.0         1  crashes",
        "1 of 101 running ingests",
    ]
    assert main(["queue", "--json", target]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["awaited"], printed["longest_wait_seconds"]) == (1_234, 60.0)
    assert printed["running"][0]["module"]["debug_file"] == "xul.pdb"


def test_an_empty_queue_is_shown(
    target: str, canned: CannedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(canned, module_service_pb2.GetQueueResponse())
    assert main(["queue", target]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "in line: 0 awaited, 0 wanted, 0 prefetches",
        "0 of 0 running ingests",
    ]


def test_a_frame_is_explained(
    target: str, canned: CannedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(canned, EXPLANATION)
    flags = ["--return-address", "--ranges=9"]
    assert main(["explain", "xul.pdb/AB1", "0x10", *flags, target]) == 0
    printed = capsys.readouterr().out
    for line in (
        "module: found",
        "looked up: 0xf",
        "answer: f()",
        "why: no public symbol applies: a function covers the offset",
        "decided by: function f(), 0x4 to 0x0",
        "file: elf, only a symbol table; split DWARF is not read",
        "skipped records: 2 FUNC",
        "memory  yes        yes     99 B  500.00  1-ab        well",
        "page 2: 0x8 to the end, page:x",
        ">  0x8   0x10  f()                   1",
        "suppliers, last request at 2026-03-04 12:00:00 UTC",
        "here      a/a.sym  unavailable     7 B   refused",
        "warning: the store is down",
    ):
        assert line in printed, printed
    (request,) = canned.requests
    assert (request.module_offset, request.is_return_address) == (16, True)
    assert main(["explain", "xul.pdb/AB1", "16", "--json", target]) == 0
    assert json.loads(capsys.readouterr().out)["tiers"][0]["tier"] == "memory"


def test_an_unknown_frame_is_explained(
    target: str, canned: CannedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    attempts = [
        explanation_pb2.SupplierAttempt(
            supplier="a", outcome=explanation_pb2.SUPPLIER_OUTCOME_MISSING, detail="needs an id"
        ),
        explanation_pb2.SupplierAttempt(
            supplier="b",
            outcome=explanation_pb2.SUPPLIER_OUTCOME_MISSING,
            path="b/b.sym",
            detail="has no such file",
        ),
    ]
    answer(
        canned,
        module_service_pb2.ExplainFrameResponse(
            module=module_pb2.ModuleResult(
                outcome=module_pb2.MODULE_OUTCOME_MISSING,
                detail="no supplier has it",
                retry_after=Duration(seconds=57),
            ),
            suppliers=explanation_pb2.SupplierRound(attempts=attempts),
        ),
    )
    assert main(["explain", "xul.pdb/AB1", "16", target]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "module: missing: no supplier has it"
    assert lines[-6] == "why: no tier has the module"
    assert lines[-4:] == [
        "suppliers, last request at an unknown time; asked again in 57 s at the earliest",
        "supplier  file               outcome  s  sent  detail",
        "a         nothing requested  missing           needs an id",
        "b         b/b.sym            missing     0 B   has no such file",
    ]


@pytest.mark.parametrize("offset", ["0x", "-1", "1a", str(2**64)])
def test_an_invalid_offset_is_wrong_usage(offset: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["explain", "xul.pdb/AB1", offset])
    assert caught.value.code == 2


STORE_INFO = store_service_pb2.GetStoreInfoResponse(
    store=store_service_pb2.RedisInfo(
        address="10.0.0.5:6379",
        is_reachable=True,
        product="redis",
        version="7.0.15",
        used_memory_bytes=400 * 2**20,
        maxmemory_bytes=500 * 2**20,
        maxmemory_policy="allkeys-lru",
        keys=12_345,
        hits=985,
        misses=15,
        uptime=Duration(seconds=86_400),
    ),
    cache=store_service_pb2.RedisInfo(address="10.0.0.5:6380", detail="it does not answer"),
    modules=120,
    pages=12_000,
    is_estimated=True,
    tiers=[
        store_service_pb2.TierInfo(
            tier=tier_pb2.TIER_MEMORY, entries=7, bytes=2_048, max_bytes=2**28, hits=3, misses=1
        ),
        store_service_pb2.TierInfo(tier=tier_pb2.TIER_SPOOL),
    ],
    queued_modules=4,
    warnings=["the cache evicts"],
    server_version="1.0.0",
    server_uptime=Duration(seconds=3_600),
)


def test_info_shows_both_servers_the_tiers_and_warnings(
    target: str, canned: CannedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(canned, STORE_INFO)
    assert main(["info", target]) == 0
    printed = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    for line in (
        "Symbolon 1.0.0, up 3,600 s: about 120 modules and 12,000 pages stored, 4 modules queued",
        "address 10.0.0.5:6379 10.0.0.5:6380",
        "state reachable unreachable: it does not answer",
        "memory 400.0 MiB 0 B",
        "limit 500.0 MiB none",
        "hit ratio 98.5 %",
        "memory 7 2.0 KiB 256.0 MiB 3 1 75.0 %",
        "spool 0 0 B off 0 0",
    ):
        assert line in lines, printed
    assert lines[-2:] == ["Warnings", "the cache evicts"]
    assert main(["info", "--json", target]) == 0
    assert json.loads(capsys.readouterr().out)["store"]["hits"] == 985


def test_info_is_repeated_until_interrupted(target: str, canned: CannedServer) -> None:
    answer(canned, STORE_INFO)
    command = [sys.executable, "-u", "-m", "symbolon", "info", "--json", "--watch=0.01", target]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        for _ in range(3):
            assert json.loads(program.stdout.readline())["modules"] == 120
        program.send_signal(signal.SIGINT)
        _, complaint = program.communicate(timeout=60)
    assert (program.returncode, complaint) == (130, "symbolon: interrupted\n")


def test_a_table_on_a_terminal_is_drawn(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    facts.show_table(("module", "requests"), [("[red]xul.pdb", "7")])
    drawn = capsys.readouterr().out
    assert "┏━━━" in drawn
    assert "│ [red]xul.pdb" in drawn


def test_a_table_on_a_terminal_without_rich_is_plain(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    facts.show_table(("module", "requests"), [("xul.pdb", "7"), ("b", "1,024")])
    assert capsys.readouterr().out.splitlines() == [
        "module   requests",
        "xul.pdb         7",
        "b           1,024",
    ]


def test_several_targets_are_one_flag(canned: CannedServer) -> None:
    answer(canned, STORE_INFO)
    assert main(["info", f"--target={canned.target},127.0.0.1:1"]) == 0
    with pytest.raises(SystemExit) as caught:
        main(["info", "--target=a.example:1,b.example:1"])
    assert caught.value.code == 2
