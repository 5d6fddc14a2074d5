"""Texts of any form through the gateway: what the command line answers, within the limits."""

import gzip
import json
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import zstandard

from symbolon import Client, DeadlineError
from symbolon._forms.raw_lines import RAW_LINE_EXAMPLE, RAW_LINE_FORM
from symbolon._forms.table import JSON_FORMS, TEXT_FORMS
from symbolon.command_line.arguments import main
from symbolon_server.gateway.any_text import read_text
from symbolon_server.gateway.reading import BodyLimits, Deadline
from tests.client.canned import CannedServer, start_canned_server
from tests.client.naming import answer_by_name
from tests.gateway.asking import ORCHARD, TEXT, V5
from tests.gateway.in_process import LIMITS, MAX_BYTES, InProcess

DATA = Path(__file__).parents[1] / "data"
PASTED = {
    path.name: path.read_bytes()
    for path in sorted((DATA / "pasted").iterdir())
    if path.suffix != ".md"
}
CRASH = (DATA / "sample" / "crash.json").read_bytes()
LINE = "/".join(ORCHARD)
REPORT = {"memoryMap": [ORCHARD, ["missing.so", "AB0"]], "stacks": [[[0, 16], [1, 7], [-1, 5]]]}
FLAT = json.dumps(REPORT)
ODD = json.dumps({"memoryMap": [ORCHARD, ["a\n", "AB0"]], "stacks": [[[0, "x"], [1, 7]], []]})
EXAMPLES = {
    **PASTED,
    "crash.json": CRASH,
    "version 4": json.dumps({"version": 4, **REPORT}).encode(),
    "two jobs": json.dumps({"jobs": [REPORT, REPORT]}).encode(),
    "no jobs": b'{"jobs": []}',
    "invalid parts": ODD.encode(),
    "a line each": f"{FLAT}\n\n{ODD}\n{json.dumps({'jobs': [REPORT, REPORT]})}\n".encode(),
    "walked, a line each": b"%s\n"
    % b"\n".join(json.dumps(json.loads(PASTED["minidump-stackwalk.json"])).encode() for _ in "12"),
    "gzip": gzip.compress(PASTED["tombstone.txt"]),
    "zstd": zstandard.compress(CRASH),
}
RAW = f"\n{LINE} 0x11cb\r\n\n missing A.so/AB0 7\n/usr/lib/{LINE} 0X10\n{LINE} 0x11cb".encode()

Post = Callable[..., Any]


@pytest.fixture(scope="module")
def canned() -> Iterator[CannedServer]:
    with start_canned_server() as canned:
        canned.answers = [answer_by_name]
        yield canned


@pytest.fixture(scope="module")
def gateway(canned: CannedServer) -> Iterator[InProcess]:
    with Client(canned.target) as client, ThreadPoolExecutor(1) as threads:
        yield InProcess(client, threads)


@pytest.fixture(scope="module")
def strict_gateway(canned: CannedServer) -> Iterator[InProcess]:
    """With room for two modules and three frames."""
    with Client(canned.target) as client, ThreadPoolExecutor(1) as threads:
        yield InProcess(client, threads, BodyLimits(max_modules=2, max_frames=3))


@pytest.fixture
def printed(
    canned: CannedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Return what `symbolon symbolicate` prints for a text."""

    def run(body: bytes, *flags: str, code: int = 0) -> str:
        file = tmp_path / "pasted"
        file.write_bytes(body)
        assert main(["symbolicate", str(file), f"--target={canned.target}", *flags]) == code
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_form_is_answered_as_the_command_line_does(
    gateway: InProcess, printed: Callable[..., str], name: str
) -> None:
    text = gateway.post(TEXT, EXAMPLES[name])
    assert text.status == 200
    assert text.body.decode() == printed(EXAMPLES[name], "--format=text")
    as_json = gateway.post(TEXT, EXAMPLES[name], accept="application/json").content
    lines = printed(EXAMPLES[name], "--format=v5").splitlines()
    assert as_json["results"] == [one for line in lines for one in json.loads(line)["results"]]


def test_raw_lines_are_answered_as_the_command_line_does_and_in_json_as_one_stack(
    gateway: InProcess, printed: Callable[..., str]
) -> None:
    assert gateway.post(TEXT, RAW).body.decode() == printed(RAW, "--format=text")
    answer = gateway.post(TEXT, RAW, accept="application/json").content
    ((stack,),) = (result["stacks"] for result in answer["results"])
    alone = [json.loads(line) for line in printed(RAW).splitlines()]
    assert stack == [frame | {"frame": number} for number, frame in enumerate(alone)]
    modules = [LINE, "missing A.so/AB0", f"/usr/lib/{LINE}"]
    assert list(answer["results"][0]["found_modules"]) == modules


def test_the_types_of_both_answers_are_told(gateway: InProcess) -> None:
    text = gateway.post(TEXT, RAW, accept="text/html, */*")
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert text.headers["x-content-type-options"] == "nosniff"
    assert text.headers["vary"] == "Accept"
    for accept in ("application/json", "text/x, Application/JSON;q=0.5"):
        answer = gateway.post(TEXT, RAW, accept=accept)
        assert answer.headers["content-type"] == "application/json"


def test_json_has_the_title_of_each_stack_and_the_outcome_of_each_module(
    gateway: InProcess,
) -> None:
    body = PASTED["tombstone.txt"]
    answer = gateway.post(TEXT, body, accept="application/json").content
    assert answer["titles"] == [["Thread 1092 Thread-2", "Thread 1071 example.orchard"]]
    (outcomes,) = answer["outcomes"]
    assert [(one["debug_file"], one["outcome"]) for one in outcomes][:1] == [("orchard", "found")]
    assert len(answer["results"][0]["stacks"]) == 2
    assert answer["results"][0]["errors"][0].startswith("libold.so: no build id")
    without = gateway.post(TEXT, FLAT.encode(), accept="application/json").content
    assert without["titles"] == [[""]]


def test_json_tells_the_module_of_each_frame_that_was_looked_up(gateway: InProcess) -> None:
    body = f"{LINE} 0x10\nlost.so/AB0 0x7\n{LINE} 99999999999999999999\n".encode()
    answer = gateway.post(TEXT, body, accept="application/json").content
    assert answer["frame_modules"] == [[[0, 1, None]]]


def test_json_tells_which_offsets_are_return_addresses(gateway: InProcess) -> None:
    body = f"/usr/bin/{ORCHARD[0]}(+0x1210)[0x55d2e4525210]\n".encode()
    answer = gateway.post(TEXT, body, accept="application/json").content
    assert answer["return_addresses"] == [[[True]]]
    answer = gateway.post(TEXT, FLAT.encode(), accept="application/json").content
    assert answer["return_addresses"] == [[[False, False, False]]]


def test_invalid_raw_lines_are_answered_as_not_found(gateway: InProcess) -> None:
    body = f"{LINE} 0x10\n{'x' * 300}.so/AB0 0x7\n{LINE} 99999999999999999999\n".encode()
    lines = gateway.post(TEXT, body).body.decode().splitlines()
    assert [line.endswith("  (not looked up)") for line in lines[:3]] == [False, True, True]
    assert lines[3] == "Not looked up"
    assert lines[5] == "  stack 0 frame 2 has an invalid module_offset"
    strict = gateway.post(f"{TEXT}?strict", body)
    assert (strict.status, "invalid debug_filename" in strict.title) == (400, True)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"Segmentation fault", "Payload has no form that can be read. Accepted are "),
        (b"\xff\0\1\2", "Payload has no form that can be read. Accepted are "),
        (b"", "Payload is empty. Accepted are "),
        (b"MDMP\x93\xa7", "Payload is a minidump: its stacks must be walked first, with `minid"),
        (
            gzip.compress(b"MDMP\x93\xa7", mtime=0),
            "Payload is a minidump: its stacks must be walked ",
        ),
        (b"{", "Payload is not valid JSON: "),
        (b"[" * 10_000, "Payload is not valid JSON: "),
        (b'{"jobs": 7}', "jobs must be a list"),
        (b"{}\n[]\n", "line 1: job 0 is invalid: no stacks specified"),
        (b'{"threads": [], "modules": []}', "minidump-stackwalk --json: has no stack with frames"),
        (gzip.compress(b"x" * 90, mtime=0)[:-9], "the compressed input is damaged: "),
    ],
    ids=[
        "other text",
        "binary",
        "empty",
        "minidump",
        "packed minidump",
        "cut off",
        "deep",
        "no jobs",
        "no line",
        "no stacks",
        "damaged",
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line_of_json(
    gateway: InProcess, body: bytes, said: str
) -> None:
    answer = gateway.post(TEXT, body)
    assert answer.status == 400
    assert answer.title.startswith(said)
    assert list(answer.content) == ["title"]
    if "Accepted are" in said:
        assert all(form.name in answer.title for form in (*JSON_FORMS, *TEXT_FORMS))
        assert answer.title.endswith(f"such as: {RAW_LINE_EXAMPLE}")


BAD_LINES = {
    "no report": "{}",
    "no JSON": "{",
    "no form": "what?",
    "no stack": '{"threads": [], "modules": []}',
}


@pytest.mark.parametrize("bad", BAD_LINES.values(), ids=BAD_LINES)
def test_a_line_that_cannot_be_read_is_told_and_the_others_are_answered(
    gateway: InProcess, printed: Callable[..., str], bad: str
) -> None:
    body = f"{FLAT}\n{bad}\n{FLAT}\n".encode()
    text = gateway.post(TEXT, body)
    assert text.status == 200
    assert text.body.decode() == printed(body, "--format=text", code=3)
    assert "\nReport 2: line 2" in text.body.decode()
    answer = gateway.post(TEXT, body, accept="application/json").content
    first, unread, last = answer["results"]
    assert first == last == gateway.post(V5, FLAT.encode()).content["results"][0]
    (error,) = unread.pop("errors")
    assert error.startswith("line 2")
    assert unread == {"stacks": [], "found_modules": {}}
    assert [len(answer[key]) for key in ("outcomes", "titles", "frame_modules")] == [3, 3, 3]
    refused = gateway.post(f"{TEXT}?strict", body)
    assert (refused.status, refused.title) == (400, error)


def test_a_raw_line_that_cannot_be_read_is_told_and_the_others_are_answered(
    gateway: InProcess,
) -> None:
    body = f"{LINE} 0x1\nwhat?\n{LINE} 0x10\n\nno/way\n".encode()
    told = [f"line 2 is not {RAW_LINE_FORM}", f"line 5 is not {RAW_LINE_FORM}"]
    answer = gateway.post(TEXT, body, accept="application/json").content
    (result,) = answer["results"]
    assert [frame["module_offset"] for frame in result["stacks"][0]] == ["0x1", "0x10"]
    assert result["errors"] == told
    text = gateway.post(TEXT, body).body.decode().splitlines()
    assert text[-3:] == ["Not looked up", *(f"  {line}" for line in told)]
    refused = gateway.post(f"{TEXT}?strict", body)
    assert (refused.status, refused.title) == (400, told[0])


def test_a_body_may_be_named_as_compressed(gateway: InProcess) -> None:
    packed = gzip.compress(RAW)
    assert gateway.post(TEXT, packed, content_encoding="gzip").body == gateway.post(TEXT, RAW).body
    assert gateway.post(TEXT, packed, content_encoding="br").status == 415


@pytest.mark.promise("The limits and the deadline of a call hold for a whole HTTP body")
@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_what_unpacks_to_more_than_a_body_may_have_is_refused_before_it_is_all_unpacked(
    gateway: InProcess, pack: Callable[[bytes], bytes]
) -> None:
    bomb = pack(b"\n" * (2 * MAX_BYTES))
    gateway.post(TEXT, b"")
    tracemalloc.start()
    answer = gateway.post(TEXT, bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    title = f"the body unpacks to more than {MAX_BYTES} bytes"
    assert (answer.status, answer.title) == (413, title)
    assert peak < 3 * MAX_BYTES


def test_many_empty_members_of_gzip_are_refused(gateway: InProcess) -> None:
    answer = gateway.post(TEXT, gzip.compress(b"") * 10_001)
    assert (answer.status, answer.title) == (400, "gzip members: 10001, the limit is 10000")


def frames(count: int) -> str:
    return "".join(f"#{number} pc 00001210 /a/orchard\n" for number in range(10, 10 + count))


@pytest.mark.promise("The limits and the deadline of a call hold for a whole HTTP body")
@pytest.mark.parametrize(
    ("body", "name"),
    [
        (frames(4), "frames"),
        ("#00 pc 00001210 /a/orchard\n" * 4, "stacks"),
        ("".join(f"#{n} pc 00001210 /a/{n}\n" for n in (10, 11, 12)), "memoryMap"),
        (f"{LINE} 0x1\n" * 4, "frames"),
        ("a/A 1\nb/B 1\nc/C 1\n", "memoryMap"),
        (f"{FLAT}\n{FLAT}\n", "memoryMap"),
        (f"{LINE} 0x1\n" + "\n" * 30, "lines"),
        ("Thread 0\n1  0x1" + "\u2028" * 30, "lines"),
        ("Binary Images:\nThread 0:\n(" + "0x1 " * 200, "addresses"),
        ('{"memoryMap": [], "stacks": []}\n' * 3, "jobs"),
        (f"{FLAT}\n{{\n{{\n", "jobs"),
        ("[" * 200, "Payload has 200 parts"),
        ("1\n" + "[" * 200, "Payload has 200 parts"),
    ],
    ids=[
        "frames",
        "stacks",
        "modules",
        "raw lines",
        "raw modules",
        "JSON lines",
        "lines",
        "separators",
        "addresses",
        "jobs",
        "unread lines",
        "parts",
        "parts of a second line",
    ],
)
def test_a_text_has_the_limits_of_a_body(strict_gateway: InProcess, body: str, name: str) -> None:
    assert strict_gateway.post(TEXT, frames(3).encode()).status == 200
    answer = strict_gateway.post(TEXT, body.encode())
    assert answer.status == 400
    assert answer.title.startswith(name)
    assert "limit" in answer.title or "more than the" in answer.title


def wrong(count: int) -> str:
    stack = ",".join(["0"] * count)
    return f'{{"memoryMap": [], "stacks": [[{stack}]]}}\n'


@pytest.mark.parametrize(
    "body",
    [
        wrong(10_001),
        wrong(5_000) + wrong(5_001),
        "".join(f"/{n:05}(a+0x1)[0x1]\n" for n in range(10_001)),
        f"{LINE} 0x1\n" + "?\n" * 10_001,
    ],
    ids=["one report", "two", "another form", "raw lines"],
)
def test_more_than_10_000_invalid_items_refuse_a_text(gateway: InProcess, body: str) -> None:
    answer = gateway.post(TEXT, body.encode())
    assert answer.status == 400
    assert "10,000 items before it" in answer.title or "limit is 10000" in answer.title


def test_a_long_title_is_cut_as_it_may_be_that_of_many_stacks(gateway: InProcess) -> None:
    body = "x" * 1_000 + "\n" + "#1 0x1 (/a+0x1)\n" * 3
    answer = gateway.post(TEXT, body.encode(), accept="application/json").content
    assert answer["titles"] == [["x" * 300] * 3]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://attacker.example"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"host": "attacker.example"}, 421),
        ({"origin": "http://localhost"}, 200),
    ],
)
def test_hosts_and_origins_are_checked_as_everywhere(
    gateway: InProcess, headers: dict[str, str], status: int
) -> None:
    assert gateway.post(TEXT, RAW, **headers).status == status


def test_a_token_is_checked_as_everywhere(canned: CannedServer) -> None:
    with Client(canned.target) as client, ThreadPoolExecutor(1) as threads:
        gateway = InProcess(client, threads, is_known="known".__eq__)
        for headers in ({}, {"authorization": "Bearer other"}):
            answer = gateway.post(TEXT, RAW, **headers)
            assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_nothing_is_read_or_written_after_the_deadline() -> None:
    far, over = Deadline.after(3600.0), Deadline.after(-1.0)
    with pytest.raises(DeadlineError):
        read_text(CRASH, MAX_BYTES, LIMITS, over)
    pasted = read_text(CRASH, MAX_BYTES, LIMITS, far)
    with pytest.raises(DeadlineError):
        pasted.write_text(over, pasted.request, [], {})


def test_limits_have_room_for_every_example() -> None:
    assert all(body.count(b"\n") < LIMITS.max_lines for body in EXAMPLES.values())
