"""The v5 JSON, with requests and answers as Eliot's documentation and tests show them."""

import pytest

from symbolon import Frame, InlineFrame, InvalidReportError, Module, ModuleOutcome, tecken
from tests.client.answers import make_answer, make_frame

XUL = ["xul.pdb", "44E4EC8C2F41492B9369D6B9A059577C2"]
NTDLL = ["wntdll.pdb", "D74F79EB1F8D4A45ABCD2F476CCABACC2"]
JOB = {"memoryMap": [XUL, NTDLL], "stacks": [[[0, 11723767], [1, 65802]]]}


def test_several_jobs_are_read_in_order() -> None:
    first, second = tecken.parse_jobs({"jobs": [JOB, {"memoryMap": [], "stacks": [[]]}]})
    assert first.modules == (Module(*XUL), Module(*NTDLL))
    assert first.stacks == (((0, 11723767), (1, 65802)),)
    assert second == tecken.Job((), ((),))


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
            with_modules([[1, ""]]),
            "job 0 has invalid modules: module index 0 has an invalid debug_filename",
        ),
        (
            with_modules([["xul.pdb", "XYZ"]]),
            "job 0 has invalid modules: module index 0 has an invalid debug_id",
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
def test_what_is_wrong_is_told_in_the_words_of_eliot(payload: object, message: str) -> None:
    with pytest.raises(InvalidReportError) as caught:
        tecken.parse_jobs(payload)
    assert str(caught.value) == message


@pytest.mark.parametrize("offset", ["0x10", 1.5, -2, 2**64, True, None], ids=repr)
def test_an_offset_is_an_integer_of_64_bits_or_minus_one(offset: object) -> None:
    with pytest.raises(InvalidReportError, match="stack 0 frame 1 has an invalid module_offset"):
        tecken.parse_jobs(with_stacks([[[0, -1], [0, offset]]]))


def test_minus_one_is_a_frame_in_no_module() -> None:
    [job] = tecken.parse_jobs(with_stacks([[[-1, 77], [0, 5]]]))
    assert tecken.make_stacks(job) == [[Frame(None, 77), Frame(0, 5)]]


def test_return_addresses_are_those_of_callers_only() -> None:
    [job] = tecken.parse_jobs(with_stacks([[[0, 5], [0, 6], [0, -1]], [[0, 7]]]))
    assert tecken.make_stacks(job, are_return_addresses=True) == [
        [Frame(0, 5), Frame(0, 6, is_return_address=True), Frame(0, 0)],
        [Frame(0, 7)],
    ]


def test_an_answer_has_the_fields_of_eliot_in_its_order() -> None:
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
            InlineFrame("inner", "hg:hg.mozilla.org/inner.h:abc", 7),
            InlineFrame("no line", "a.h", None),
            InlineFrame("no file", None, 8),
        ),
    )
    answer = make_answer(
        [[frame, make_frame("wntdll.pdb", 65802), make_frame("<unknown>", 42)]],
        ModuleOutcome.FOUND,
        ModuleOutcome.MISSING,
    )
    result = tecken.write_result(job, answer)
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
    [[frame]] = tecken.write_result(job, answer)["stacks"]
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
    [[frame]] = tecken.write_result(job, answer)["stacks"]
    assert frame == {"frame": 0, "module": "xul.dll", "module_offset": "-0x1"}


def test_a_module_without_a_name_is_unknown() -> None:
    [job] = tecken.parse_jobs({"memoryMap": [["", ""]], "stacks": [[[0, 5]]]})
    answer = make_answer([[make_frame("", 5)]], ModuleOutcome.MISSING)
    result = tecken.write_result(job, answer)
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
def test_found_modules_says_what_was_looked_for(outcome: ModuleOutcome, found: object) -> None:
    [job] = tecken.parse_jobs(with_stacks([[]]))
    result = tecken.write_result(job, make_answer([[]], outcome))
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
    result = tecken.write_result(job, make_answer([[]], *outcomes))
    assert list(result["found_modules"].values()) == [True]
