"""Reports with an invalid module or frame: the rest is answered."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbolon import InvalidReportError, Module, ModuleOutcome
from symbolon._messages.answers import EncodedAnswer
from symbolon._module_ids import DEBUG_ID_FORM, MAX_DEBUG_FILE_BYTES, find_file_fault, last_part
from symbolon._tecken.answers import describe_modules, write_response
from symbolon._tecken.jobs import MOST_PROBLEMS, Job, TeckenRequest
from symbolon._tecken.requests import parse_jobs, parse_request
from symbolon.v1.module_pb2 import Module as ModuleMessage
from symbolon_server.symbols.ground.module_ids import InvalidModuleIdError, ModuleId
from tests.client.messages.encoded import make_answer, make_frame

XUL = ["xul.pdb", "44E4EC8C2F41492B9369D6B9A059577C2"]
LONG = "x" * (MAX_DEBUG_FILE_BYTES + 1)


def parse(modules: object, stacks: object = ((),)) -> Job:
    """Return the only job of a document that went through JSON."""
    document = json.dumps({"memoryMap": modules, "stacks": stacks})
    (job,) = parse_jobs(json.loads(document))
    return job


def sent_modules(job: Job) -> list[tuple[str, str]]:
    messages = map(ModuleMessage.FromString, job.encode().modules)
    return [(message.debug_file, message.debug_id) for message in messages]


def write(version: int, job: Job, answer: EncodedAnswer) -> Any:
    return json.loads(write_response(TeckenRequest(version, [job]), [answer]))


@pytest.mark.parametrize("paths_first", [True, False])
def test_a_module_is_found_beside_an_invalid_one_with_the_same_key(
    paths_first: bool,
) -> None:
    modules = [[f"lib/{XUL[0]}", XUL[1]], ["lib", "/".join(XUL)]]
    outcomes = [ModuleOutcome.FOUND, ModuleOutcome.MISSING]
    if not paths_first:
        modules, outcomes = modules[::-1], outcomes[::-1]
    job = parse(modules, [[[0, 1], [1, 1]]])
    answer = make_answer([[make_frame("", 1)] * 2], *outcomes)
    (result,) = write(5, job, answer)["results"]
    assert result["found_modules"] == {f"lib/{'/'.join(XUL)}": True}


@pytest.mark.parametrize("version", [4, 5])
def test_the_name_of_an_invalid_module_is_cut_in_its_frames(version: int) -> None:
    name, frames = "x" * 10_000, 100
    job = parse([[name, XUL[1]]], [[[0, 1]] * frames])
    answer = make_answer([[make_frame("", 0, "")] * frames], ModuleOutcome.NOT_REFERENCED)
    written = write_response(TeckenRequest(version, [job]), [answer])
    assert written.count(b"x" * MAX_DEBUG_FILE_BYTES) >= frames
    assert len(written) < len(name) + frames * 2 * MAX_DEBUG_FILE_BYTES


@pytest.mark.parametrize(
    "path",
    [
        "C:\\build\\out\\xul.pdb",
        "/usr/lib/xul.pdb",
        "../xul.pdb",
        "C:/build\\xul.pdb",
        "\\xul.pdb",
        "\x01/xul.pdb",
        f"/{LONG}/xul.pdb",
    ],
)
def test_a_path_is_looked_up_by_its_last_part_and_answered_as_given(path: str) -> None:
    job = parse([[path, XUL[1]]], [[[0, 1]]])
    assert sent_modules(job) == [("xul.pdb", XUL[1])]
    assert job.problems == ()
    answer = make_answer([[make_frame("xul.dll", 1, "f")]], ModuleOutcome.FOUND)
    assert write(5, job, answer)["results"] == [
        {
            "stacks": [
                [
                    {
                        "frame": 0,
                        "module": "xul.dll",
                        "module_offset": "0x1",
                        "function": "f",
                        "function_offset": "0x0",
                    }
                ]
            ],
            "found_modules": {f"{path}/{XUL[1]}": True},
        }
    ]


@pytest.mark.parametrize(
    ("module", "error"),
    [
        ([LONG, "A"], " has an invalid debug_filename: it has 256 bytes, the limit is 255"),
        (
            ["\u00e4" * 128, "A"],
            " has an invalid debug_filename: it has 256 bytes, the limit is 255",
        ),
        (["x\ny", "A"], " has an invalid debug_filename: it has control characters"),
        (["\ud800", "A"], " has an invalid debug_filename: it has control characters"),
        (["lib/..", "A"], " has an invalid debug_filename: it names no file"),
        ([".", "A"], " has an invalid debug_filename: it names no file"),
        (["lib\\", "A"], " has an invalid debug_filename: it names no file"),
        ([7, "A"], " has an invalid debug_filename: it is not a string"),
        (["x.so", "no hex"], f" has an invalid debug_id: must be {DEBUG_ID_FORM}"),
        (["x.so", None], f" has an invalid debug_id: must be {DEBUG_ID_FORM}"),
        (["x.so"], " does not have a debug_filename and debug_id"),
        (["x.so", "A", "", "", ""], " does not have a debug_filename and debug_id"),
        (["x.so", "A", None], ": code file and code id must be strings"),
        (["x.so", "A", "\ud800", "ab"], ": code file and code id must be strings"),
        (["x.so", "A", "x.so", "\udfff"], ": code file and code id must be strings"),
        ({"x.so": "A", "y.so": "B"}, " does not have a debug_filename and debug_id"),
        (None, " does not have a debug_filename and debug_id"),
    ],
    ids=str,
)
def test_an_invalid_module_alone_is_not_found(module: Any, error: str) -> None:
    job = parse([XUL, module, XUL], [[[0, 1], [1, 2], [2, 3]]])
    assert sent_modules(job) == [tuple(XUL), ("", ""), tuple(XUL)]
    assert list(job.problems) == [f"module index 1{error}"]
    frames = [make_frame("xul.dll", 1, "f"), make_frame("", 2), make_frame("xul.dll", 3, "g")]
    answer = make_answer([frames], ModuleOutcome.FOUND, ModuleOutcome.MISSING, ModuleOutcome.FOUND)
    parts = [*module, ""] if isinstance(module, list) else ["", ""]
    file, debug_id = (part if isinstance(part, str) else "" for part in parts[:2])
    name = file[:MAX_DEBUG_FILE_BYTES] or "<unknown>"
    (result,) = write(5, job, answer)["results"]
    (stack,) = result["stacks"]
    assert [frame.get("function") for frame in stack] == ["f", None, "g"]
    assert stack[1] == {"frame": 1, "module": name, "module_offset": "0x2"}
    assert result["found_modules"] == {"/".join(XUL): True, f"{file}/{debug_id}": False}
    assert result["errors"] == list(job.problems)
    assert write(4, job, answer) == {
        "symbolicatedStacks": [["f (in xul.dll)", f"0x2 (in {name})", "g (in xul.dll)"]],
        "knownModules": [True, False, True],
        "errors": list(job.problems),
    }
    described = describe_modules(job, answer)
    assert [one.detail.partition(":")[0] for one in described] == ["", "not looked up", ""]


def test_an_invalid_module_without_frames_is_listed_too() -> None:
    job = parse([XUL, [LONG, "A"]], [[[0, 1]]])
    answer = make_answer(
        [[make_frame("xul.dll", 1, "f")]], ModuleOutcome.FOUND, ModuleOutcome.NOT_REFERENCED
    )
    (result,) = write(5, job, answer)["results"]
    assert result["found_modules"] == {"/".join(XUL): True, f"{LONG}/A": None}
    assert len(result["errors"]) == 1
    assert describe_modules(job, answer)[1].detail.startswith("not looked up: the debug file: ")


@pytest.mark.parametrize(
    ("frame", "written", "error"),
    [
        ([0, -2], ("xul.dll", "-0x2"), "has an invalid module_offset"),
        ([0, 2**64], ("xul.dll", "0x10000000000000000"), "has an invalid module_offset"),
        ([0, "0x10"], ("xul.dll", "0x10"), "has an invalid module_offset"),
        ([0, '"\n'], ("xul.dll", '"\n'), "has an invalid module_offset"),
        ([0, True], ("xul.dll", "0x1"), "has an invalid module_offset"),
        ([0, None], ("xul.dll", "-0x1"), "has an invalid module_offset"),
        ([0, 1.5], ("xul.dll", "-0x1"), "has an invalid module_offset"),
        ([0, [[]]], ("xul.dll", "-0x1"), "has an invalid module_offset"),
        ([1, 5], ("<unknown>", "0x5"), "has a module_index that isn't in modules"),
        ([-2, 5], ("<unknown>", "0x5"), "has a module_index that isn't in modules"),
        (["0", 5], ("<unknown>", "0x5"), "has an invalid module_index"),
        ([0], ("<unknown>", "-0x1"), "is not a list of two items"),
        ([0, 5, 6], ("<unknown>", "-0x1"), "is not a list of two items"),
        ("05", ("<unknown>", "-0x1"), "is not a list of two items"),
        (7, ("<unknown>", "-0x1"), "is not a list of two items"),
    ],
    ids=str,
)
def test_an_invalid_frame_alone_is_not_symbolicated(
    frame: Any, written: tuple[str, str], error: str
) -> None:
    stacks = [[[0, 1]], [[0, -1], frame, [0, 3]], []]
    job = parse([XUL], stacks)
    report = job.encode()
    is_in_module = written[0] == "xul.dll"
    assert list(report.indexes) == [0, 0, 0 if is_in_module else -1, 0]
    assert list(report.offsets) == [1, 0, 5 if written[1] == "0x5" else 0, 3]
    assert list(job.problems) == [f"stack 1 frame 1 {error}"]
    zero = make_frame("xul.dll", 0, "must not be shown")
    odd = zero if is_in_module else make_frame("<unknown>", report.offsets[2])
    first, last = make_frame("xul.dll", 1, "f"), make_frame("xul.dll", 3, "g")
    answer = make_answer([[first], [zero, odd, last], []], ModuleOutcome.FOUND)
    (result,) = write(5, job, answer)["results"]
    assert [[one.get("function") for one in stack] for stack in result["stacks"]] == [
        ["f"],
        [None, None, "g"],
        [],
    ]
    module, offset = written
    assert result["stacks"][1][1] == {"frame": 1, "module": module, "module_offset": offset}
    assert result["errors"] == list(job.problems)
    older = write(4, job, answer)
    assert older["symbolicatedStacks"][1][:2] == ["-0x1 (in xul.dll)", f"{offset} (in {module})"]
    assert older["errors"] == list(job.problems)


def test_a_stack_that_is_no_list_is_answered_as_an_empty_one() -> None:
    job = parse([XUL], [None, [[0, 1]]])
    assert list(job.frames.lengths) == [0, 1]
    assert list(job.problems) == ["stack 0 is not a list"]


def test_each_job_has_its_own_problems() -> None:
    one = {"memoryMap": [XUL], "stacks": [[[0, 1]]]}
    odd = {"memoryMap": [XUL, 7], "stacks": [[[9, 1]]]}
    jobs = parse_jobs({"jobs": [one, odd, one, odd]})
    assert [len(job.problems) for job in jobs] == [0, 2, 0, 2]


def test_return_addresses_leave_invalid_offsets_alone() -> None:
    document = {"memoryMap": [XUL], "stacks": [[[0, 5], [0, "x"], [0, 6]]]}
    (job,) = parse_request(document, are_return_addresses=True).jobs
    assert list(job.encode().offsets) == [5, 0, ~6]


@pytest.mark.parametrize("modules", [[["a/xul.pdb", "A"]], [["a\\xul.pdb", "A"]], [[LONG, "A"]]])
def test_strictness_refuses_what_is_accepted_otherwise(modules: object) -> None:
    fine = {"memoryMap": [XUL], "stacks": [[[0, 1]]]}
    with pytest.raises(InvalidReportError) as caught:
        parse_jobs({"jobs": [fine, {"memoryMap": modules, "stacks": [[]]}]}, is_strict=True)
    expected = "job 1 has invalid modules: module index 0 has an invalid debug_filename"
    assert str(caught.value) == expected
    assert parse_jobs({"jobs": [fine]}, is_strict=True) == parse_jobs({"jobs": [fine]})


def test_a_document_with_too_many_problems_is_refused() -> None:
    """Each takes memory, and thousands of invalid frames are no crash report."""
    odd = {"memoryMap": [], "stacks": [[0] * (MOST_PROBLEMS // 2)]}
    assert sum(len(job.problems) for job in parse_jobs({"jobs": [odd, odd]})) == MOST_PROBLEMS
    with pytest.raises(
        InvalidReportError, match="job 2 has invalid stacks: stack 0 frame 0 is not"
    ):
        parse_jobs({"jobs": [odd, odd, odd]})


def test_the_modules_of_recurring_reports_are_cached() -> None:
    """Even those with paths, which some callers send with every report."""
    maps = [parse([[f"C:\\out\\{name}", "A"] for name in ("a", "b")]).memory_map for _ in range(2)]
    assert all(first is second for first, second in pairwise(maps))


def accepts(debug_file: str, debug_id: str) -> bool:
    """Return whether a server accepts the module."""
    try:
        ModuleId.parse_if_whole(debug_file, debug_id)
    except InvalidModuleIdError:
        return False
    return True


FILES = st.text(max_size=8) | st.sampled_from([".", "..", LONG, LONG[1:], "\u2028", "x\x7f"])
IDS = st.text("0123456789abcdefABCDEF{}-xg", max_size=42)


@given(FILES, IDS)
def test_only_modules_that_a_server_accepts_are_sent(debug_file: str, debug_id: str) -> None:
    """One invalid module would fail the whole call, with other reports in it."""
    name = last_part(debug_file)
    job = parse([[debug_file, debug_id]])
    ((sent_file, sent_id),) = sent_modules(job)
    assert accepts(sent_file, sent_id)
    if job.problems:
        assert not accepts(name, debug_id) or (debug_file and not name)
    else:
        assert (sent_file, sent_id) == (name, debug_id)


@given(FILES)
def test_a_strict_name_is_one_that_a_server_accepts(debug_file: str) -> None:
    assert accepts(debug_file, "") == (not find_file_fault(debug_file, takes_path=False))


ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**65) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=6,
)


@given(st.lists(ODD | st.just(XUL)), st.lists(st.lists(ODD | st.just([0, 1])) | ODD, min_size=1))
def test_each_frame_is_answered_once_whatever_the_input(
    modules: Sequence[object], stacks: Sequence[object]
) -> None:
    job = parse(modules, stacks)
    report = job.encode()
    lengths = [len(stack) if isinstance(stack, list) else 0 for stack in stacks]
    assert list(report.lengths) == lengths
    assert all(0 <= offset < 2**64 for offset in report.offsets)
    assert all(-1 <= index < len(modules) for index in report.indexes)
    answer = make_answer(
        [[make_frame("m", 0)] * length for length in lengths],
        *[ModuleOutcome.MISSING] * len(modules),
    )
    (result,) = write(5, job, answer)["results"]
    assert list(map(len, result["stacks"])) == lengths


def test_a_module_is_kept_as_given_and_as_sent() -> None:
    (entry,) = parse([["a/xul.pdb", XUL[1]]]).modules
    assert (entry.module, entry.sent) == (Module("a/xul.pdb", XUL[1]), Module(*XUL))
