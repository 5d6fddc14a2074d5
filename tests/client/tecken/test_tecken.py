"""Requests and answers as Eliot's documentation and tests show them."""

import json
from itertools import islice
from typing import Any

import pytest

from symbolon import Frame, InvalidReportError, Module, ModuleOutcome
from symbolon._messages.answers import EncodedAnswer
from symbolon._module_ids import DEBUG_ID_FORM
from symbolon._tecken import requests as tecken
from symbolon._tecken.answers import write_response
from symbolon._tecken.jobs import Job, JobFrames, MemoryMap, TeckenRequest
from tests.client.messages.encoded import InlineFrame, make_answer, make_frame

XUL = ["xul.pdb", "44E4EC8C2F41492B9369D6B9A059577C2"]
NTDLL = ["wntdll.pdb", "D74F79EB1F8D4A45ABCD2F476CCABACC2"]
JOB = {"memoryMap": [XUL, NTDLL], "stacks": [[[0, 11723767], [1, 65802]]]}


def test_several_jobs_are_read_in_order() -> None:
    first, second = tecken.parse_jobs({"jobs": [JOB, {"memoryMap": [], "stacks": [[]]}]})
    assert [entry.module for entry in first.modules] == [Module(*XUL), Module(*NTDLL)]
    assert first.frames == JobFrames([2], (0, 1), (11723767, 65802), {0, 1})
    assert second == Job(MemoryMap.make([]), JobFrames([0], [], [], set()))


def test_a_job_by_itself_is_a_list_of_one() -> None:
    assert tecken.parse_jobs(JOB) == tecken.parse_jobs({"jobs": [JOB]})


def test_no_jobs_are_no_jobs() -> None:
    assert tecken.parse_jobs({"jobs": []}) == ()


def test_unknown_keys_are_ignored() -> None:
    assert tecken.parse_jobs({**JOB, "version": 5}) == tecken.parse_jobs(JOB)


def with_modules(modules: object) -> object:
    return {"memoryMap": modules, "stacks": [[]]}


def with_stacks(stacks: object) -> object:
    return {"memoryMap": [XUL], "stacks": stacks}


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ([], "payload is not a JSON object"),
        ({"jobs": {}}, "jobs must be a list"),
        ({"jobs": [1]}, "job 0 is invalid"),
        ({"jobs": [JOB, {"memoryMap": []}]}, "job 1 is invalid: no stacks specified"),
        ({"stacks": [[]]}, "job 0 is invalid: no memoryMap specified"),
        (with_modules({}), "job 0 has invalid modules: modules must be a list"),
        (
            with_modules([XUL, ["xul.pdb"]]),
            "job 0 has invalid modules: module index 1 does not have a debug_filename and debug_id",
        ),
        (
            with_modules([XUL, "ab"]),
            "job 0 has invalid modules: module index 1 does not have a debug_filename and debug_id",
        ),
        (
            with_modules([{"xul.pdb": 1, "AB": 2}]),
            "job 0 has invalid modules: module index 0 does not have a debug_filename and debug_id",
        ),
        (
            with_modules([[1, ""]]),
            "job 0 has invalid modules: module index 0 has an invalid debug_filename",
        ),
        (
            with_modules(["ab"]),
            "job 0 has invalid modules: module index 0 does not have a debug_filename and debug_id",
        ),
        (
            with_modules([["xul.pdb", "XYZ"]]),
            (
                "job 0 has invalid modules: module index 0 has an invalid debug_id: "
                f"must be {DEBUG_ID_FORM}"
            ),
        ),
        (
            with_modules([XUL, ["\ud800", ""]]),
            "job 0 has invalid modules: module index 1 has an invalid debug_filename",
        ),
        (with_stacks({}), "job 0 has invalid stacks: stacks must be a list of lists"),
        (with_stacks([]), "job 0 has invalid stacks: no stacks specified"),
        (with_stacks([[], 1]), "job 0 has invalid stacks: stack 1 is not a list"),
        (
            with_stacks([[[0, 1], [0]]]),
            "job 0 has invalid stacks: stack 0 frame 1 is not a list of two items",
        ),
        (
            with_stacks([[["0", 1]]]),
            "job 0 has invalid stacks: stack 0 frame 0 has an invalid module_index",
        ),
        (
            with_stacks([[[1, 1]]]),
            "job 0 has invalid stacks: stack 0 frame 0 has a module_index that isn't in modules",
        ),
        (
            with_stacks([[[-2, 1]]]),
            "job 0 has invalid stacks: stack 0 frame 0 has a module_index that isn't in modules",
        ),
    ],
    ids=str,
)
def test_errors_are_in_the_words_of_eliot(payload: object, message: str) -> None:
    with pytest.raises(InvalidReportError) as caught:
        tecken.parse_jobs(payload, is_strict=True)
    assert str(caught.value) == message


@pytest.mark.parametrize("offset", ["0x10", 1.5, -2, 2**64, True, None], ids=repr)
def test_an_offset_is_an_integer_of_64_bits_or_minus_one(offset: object) -> None:
    with pytest.raises(InvalidReportError, match="stack 0 frame 1 has an invalid module_offset"):
        tecken.parse_jobs(with_stacks([[[0, -1], [0, offset]]]), is_strict=True)


def decode_stacks(job: Job) -> list[list[Frame]]:
    """Return the frames that are sent to the API."""
    report = job.encode()
    frames = iter(
        Frame(None if index < 0 else index, max(offset, ~offset), offset < 0)
        for index, offset in zip(report.indexes, report.offsets, strict=True)
    )
    return [list(islice(frames, length)) for length in report.lengths]


def test_minus_one_is_a_frame_in_no_module() -> None:
    [job] = tecken.parse_jobs(with_stacks([[[-1, 77], [0, 5]]]))
    assert decode_stacks(job) == [[Frame(None, 77), Frame(0, 5)]]


def test_return_addresses_are_those_of_callers_only() -> None:
    payload = with_stacks([[[0, 5], [0, 6], [0, -1]], [], [[0, 7], [0, 8]], []])
    [job] = tecken.parse_request(payload, are_return_addresses=True).jobs
    assert decode_stacks(job) == [
        [Frame(0, 5), Frame(0, 6, is_return_address=True), Frame(0, 0)],
        [],
        [Frame(0, 7), Frame(0, 8, is_return_address=True)],
        [],
    ]


def write(job: Job, answer: EncodedAnswer) -> Any:
    """Return the decoded result of one job."""
    (result,) = json.loads(write_response(TeckenRequest(5, [job]), [answer]))["results"]
    return result


def test_linkage_names_that_were_requested_follow_the_names() -> None:
    [job] = tecken.parse_jobs({"memoryMap": [XUL], "stacks": [[[0, 1]]]})
    inlines = (InlineFrame(function="g()", linkage_name="_Z1gv"), InlineFrame(function="h"))
    frame = make_frame("xul.dll", 1, "f()", linkage_name="_Z1fv", inlines=inlines)
    (written,) = write(job, make_answer([[frame]], ModuleOutcome.FOUND))["stacks"][0]
    assert list(written)[3:5] == ["function", "linkage_name"]
    assert (written["linkage_name"], written["inlines"]) == (
        "_Z1fv",
        [{"function": "g()", "linkage_name": "_Z1gv"}, {"function": "h"}],
    )


def test_an_answer_has_the_fields_of_eliot_in_their_order() -> None:
    [job] = tecken.parse_jobs(
        {"memoryMap": [XUL, NTDLL], "stacks": [[[0, 11723767], [1, 65802], [-1, 42]]]}
    )
    frame = make_frame(
        "xul.dll",
        11723767,
        "sctp_send_initiate(int)",
        function_offset=0x77,
        file="hg:hg.mozilla.org/netwerk/sctp_output.c:abc",
        line=4922,
        inlines=(
            InlineFrame(function="inner", file="hg:hg.mozilla.org/inner.h:abc", line=7),
            InlineFrame(function="no line", file="a.h"),
            InlineFrame(function="no file", line=8),
        ),
    )
    answer = make_answer(
        [[frame, make_frame("wntdll.pdb", 65802), make_frame("<unknown>", 42)]],
        ModuleOutcome.FOUND,
        ModuleOutcome.MISSING,
    )
    result = write(job, answer)
    assert result == {
        "stacks": [
            [
                {
                    "frame": 0,
                    "module": "xul.dll",
                    "module_offset": "0xb2e3f7",
                    "function": "sctp_send_initiate(int)",
                    "function_offset": "0x77",
                    "file": "hg:hg.mozilla.org/netwerk/sctp_output.c:abc",
                    "line": 4922,
                    "inlines": [
                        {"function": "inner", "file": "hg:hg.mozilla.org/inner.h:abc", "line": 7},
                        {"function": "no line", "file": "a.h"},
                        {"function": "no file"},
                    ],
                },
                {"frame": 1, "module": "wntdll.pdb", "module_offset": "0x1010a"},
                {"frame": 2, "module": "<unknown>", "module_offset": "0x2a"},
            ]
        ],
        "found_modules": {
            "xul.pdb/44E4EC8C2F41492B9369D6B9A059577C2": True,
            "wntdll.pdb/D74F79EB1F8D4A45ABCD2F476CCABACC2": False,
        },
    }
    assert list(result["stacks"][0][0]) == [
        "frame",
        "module",
        "module_offset",
        "function",
        "function_offset",
        "file",
        "line",
        "inlines",
    ]


def test_a_line_without_a_file_is_left_out() -> None:
    [job] = tecken.parse_jobs(with_stacks([[[0, 5]]]))
    answer = make_answer([[make_frame("xul.dll", 5, "f", line=3)]], ModuleOutcome.FOUND)
    [[frame]] = write(job, answer)["stacks"]
    assert frame == {
        "frame": 0,
        "module": "xul.dll",
        "module_offset": "0x5",
        "function": "f",
        "function_offset": "0x0",
    }


def test_the_offset_minus_one_finds_nothing() -> None:
    [job] = tecken.parse_jobs(with_stacks([[[0, -1]]]))
    answer = make_answer([[make_frame("xul.dll", 0, "f")]], ModuleOutcome.FOUND)
    [[frame]] = write(job, answer)["stacks"]
    assert frame == {"frame": 0, "module": "xul.dll", "module_offset": "-0x1"}


def test_a_module_without_a_name_is_unknown() -> None:
    [job] = tecken.parse_jobs({"memoryMap": [["", ""]], "stacks": [[[0, 5]]]})
    answer = make_answer([[make_frame("", 5)]], ModuleOutcome.MISSING)
    result = write(job, answer)
    assert result["stacks"][0][0]["module"] == "<unknown>"
    assert result["found_modules"] == {"/": None}


@pytest.mark.parametrize(
    ("outcome", "found"),
    [
        (ModuleOutcome.FOUND, True),
        (ModuleOutcome.MISSING, False),
        (ModuleOutcome.MALFORMED, False),
        (ModuleOutcome.UNAVAILABLE, False),
        (ModuleOutcome.NOT_REFERENCED, None),
        (ModuleOutcome.PENDING, None),
        (ModuleOutcome.UNSPECIFIED, None),
    ],
)
def test_found_modules_says_what_was_looked_up(outcome: ModuleOutcome, found: object) -> None:
    [job] = tecken.parse_jobs(with_stacks([[]]))
    result = write(job, make_answer([[]], outcome))
    assert result["found_modules"] == {"xul.pdb/44E4EC8C2F41492B9369D6B9A059577C2": found}


@pytest.mark.parametrize(
    "outcomes",
    [
        pytest.param((ModuleOutcome.FOUND, ModuleOutcome.NOT_REFERENCED), id="first"),
        pytest.param((ModuleOutcome.NOT_REFERENCED, ModuleOutcome.FOUND), id="second"),
    ],
)
def test_a_module_listed_twice_is_found_if_either_is(outcomes: tuple[ModuleOutcome, ...]) -> None:
    [job] = tecken.parse_jobs({"memoryMap": [XUL, XUL], "stacks": [[]]})
    result = write(job, make_answer([[]], *outcomes))
    assert list(result["found_modules"].values()) == [True]


@pytest.mark.parametrize("module", [["mill.exe", "", "", "19B6"], ["", "", "mill.exe", "19B6"]])
def test_found_modules_says_what_was_looked_up_by_its_code_id(module: list[str]) -> None:
    [job] = tecken.parse_jobs({"memoryMap": [module, ["a", ""]], "stacks": [[]]})
    outcomes = ModuleOutcome.FOUND, ModuleOutcome.MISSING
    found = write(job, make_answer([[]], *outcomes))["found_modules"]
    assert found == {f"{module[0]}/": True, "a/": None}


def test_a_long_stack_is_numbered_to_its_end() -> None:
    [job] = tecken.parse_jobs(with_stacks([[[0, 5]] * 2_003]))
    stack = write(job, make_answer([[make_frame("a", 5)] * 2_003], ModuleOutcome.FOUND))["stacks"]
    assert [frame["frame"] for frame in stack[0]] == list(range(2_003))


def test_a_response_is_one_line_as_python_writes_json() -> None:
    request = tecken.parse_request({"jobs": [JOB, with_stacks([[], [[0, 1]]])]})
    answers = [
        make_answer(
            [[make_frame("xul.dll", 1, "\u00fc"), make_frame("b", 2)]],
            ModuleOutcome.FOUND,
            ModuleOutcome.PENDING,
        ),
        make_answer([[], [make_frame("c", 3)]], ModuleOutcome.MISSING),
    ]
    line = write_response(request, answers)
    assert line == json.dumps(json.loads(line)).encode("ascii")
    with_debug = write_response(request, answers, {"debug": {"time": 0.5}})
    assert with_debug == json.dumps(json.loads(line) | {"debug": {"time": 0.5}}).encode("ascii")


V4_JOB = {"version": 4, "memoryMap": [XUL, NTDLL, XUL], "stacks": [[[0, 1], [1, -1], [-1, 7]], []]}


def test_version_4_is_answered_in_the_strings_of_version_4() -> None:
    request = tecken.parse_request(V4_JOB)
    frames = [
        make_frame("xul.dll", 1, "f()"),
        make_frame("wntdll.pdb", 0, "g()"),
        make_frame("<unknown>", 7),
    ]
    outcomes = ModuleOutcome.FOUND, ModuleOutcome.MISSING, ModuleOutcome.NOT_REFERENCED
    line = write_response(request, [make_answer([frames, []], *outcomes)])
    assert line == (
        b'{"symbolicatedStacks": [["f() (in xul.dll)", "-0x1 (in wntdll.pdb)", '
        b'"0x7 (in <unknown>)"], []], "knownModules": [true, false, true]}'
    )


@pytest.mark.parametrize(
    ("payload", "version", "expected"),
    [(JOB, None, 5), (V4_JOB, None, 4), (JOB, 4, 4), (V4_JOB, 5, 5), ({"jobs": [JOB]}, None, 5)],
)
def test_the_version_is_that_of_the_payload_unless_given(
    payload: object, version: int | None, expected: int
) -> None:
    assert tecken.parse_request(payload, version=version).version == expected


def test_version_4_has_no_jobs() -> None:
    with pytest.raises(InvalidReportError, match="no stacks specified"):
        tecken.parse_request({"jobs": [JOB]}, version=4)
