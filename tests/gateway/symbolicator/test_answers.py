"""What is answered, on the whole way through a server."""

import json
import re
from typing import Any

import pytest

from symbolon import DeadlineError
from symbolon._messages.answers import EncodedAnswer
from symbolon.v1 import module_pb2, stack_pb2
from symbolon_server.gateway.reading import BodyLimits, Deadline
from symbolon_server.gateway.refusals import Refused
from symbolon_server.gateway.symbolicator.answers import Answered, write_completed
from symbolon_server.gateway.symbolicator.facts import NOTHING
from symbolon_server.gateway.symbolicator.places import find_places
from symbolon_server.gateway.symbolicator.processors import Processor
from symbolon_server.gateway.symbolicator.requests import parse_stacks
from tests.app.conftest import ROOT, SAMPLE
from tests.gateway.asking import post
from tests.gateway.symbolicator.conftest import complete

START = 0x400000
ORCHARD = {
    "type": "elf",
    "debug_id": "c3d8e3c7-b659-4df1-dfca-907993b47725",
    "code_id": "c7e3d8c359b6f14ddfca907993b47725c1d27eef",
    "code_file": "/usr/bin/orchard",
    "image_addr": hex(START),
    "image_size": 0x5000,
}
MISSING = {"type": "elf", "debug_id": "0" * 31 + "1", "code_file": "/lib/lost.so"}


def module(name: str, number: str) -> dict[str, Any]:
    debug_id = f"00000000-0000-0000-0000-000000000{number}"
    return {"type": "elf", "debug_id": debug_id, "debug_file": name, "image_addr": hex(START)}


def ask_for(address: str, *addresses: int | str | dict[str, Any], **others: Any) -> Any:
    """Return the frames of the answer for one stack in the orchard."""
    frames = [one if isinstance(one, dict) else {"instruction_addr": one} for one in addresses]
    request = {"stacktraces": [{"frames": frames}], "modules": [ORCHARD], **others}
    (stack,) = complete(address, request)["stacktraces"]
    return stack["frames"]


def test_the_example_of_our_documentation_is_answered_as_it_says(stacks: str) -> None:
    text = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
    chapter = text.partition("\n## Symbolicator's API\n")[2].partition("\n## ")[0]
    request, answer = re.findall(r"```json\n(.*?)```", chapter, re.DOTALL)
    assert complete(stacks, json.loads(request)) == json.loads(answer)


def test_inline_frames_come_before_the_function_and_share_its_address(stacks: str) -> None:
    frames = ask_for(stacks, START + 0x1210, START + 0x11CC, START + 0x10B1)
    common = {"status": "symbolicated", "package": "/usr/bin/orchard"}
    assert frames[-3:-1] == [
        {
            **common,
            "original_index": 1,
            "instruction_addr": "0x4011cb",
            "symbol": "price",
            "function": "price",
            "filename": "shipping.cpp",
            "abs_path": "orchard/shipping.cpp",
            "lineno": 10,
        },
        {
            **common,
            "original_index": 1,
            "instruction_addr": "0x4011cb",
            "symbol": "orchard::ship(orchard::Crate const*, int)",
            "sym_addr": "0x4011a0",
            "function": "orchard::ship(orchard::Crate const*, int)",
            "filename": "shipping.cpp",
            "abs_path": "orchard/shipping.cpp",
            "lineno": 19,
        },
    ]
    deepest = [frame for frame in frames if frame["original_index"] == 0]
    assert [frame["function"].partition("(")[0] for frame in deepest] == [
        "orchard::weight",
        "orchard::heavier",
        "orchard::heaviest",
        "orchard::grade",
    ]
    assert ["sym_addr" in frame for frame in deepest] == [False, False, False, True]


def test_mangled_names_are_told_beside_the_demangled_ones(stacks: str) -> None:
    frames = [{"instruction_addr": START + 0x1000}]
    request = {"stacktraces": [{"frames": frames}], "modules": [module("mangled.so", "abf")]}
    (stack,) = complete(stacks, request)["stacktraces"]
    assert [(frame["symbol"], frame["function"]) for frame in stack["frames"]] == [
        ("_ZN1a5innerEv", "a::inner()"),
        ("_ZN1a5outerEi", "a::outer(int)"),
    ]


def test_the_crash_of_the_sample_has_the_functions_of_the_other_api(stacks: str) -> None:
    (job,) = json.loads((SAMPLE / "crash.json").read_text())["jobs"]
    offsets = [offset for index, offset in job["stacks"][0] if index == 0]
    (tecken,) = post(stacks, "/symbolicate/v5", job).content["results"]
    expected = [frame["function"] for frame in tecken["stacks"][0] if frame["module"] == "orchard"]
    addresses = [
        {"instruction_addr": START + offset, "adjust_instruction_addr": False} for offset in offsets
    ]
    frames = ask_for(stacks, *addresses)
    assert [frame["function"] for frame in frames if "sym_addr" in frame] == expected


def test_outermost_first_stacks_are_answered_outermost_first(stacks: str) -> None:
    """`original_index` counts from the innermost frame, as in Symbolicator."""
    addresses = [START + 0x10B1, START + 0x11CC, START + 0x1050]
    turned = ask_for(stacks, *addresses, options={"frame_order": "caller_first"})
    assert turned == ask_for(stacks, *addresses[::-1])[::-1]
    assert [frame["original_index"] for frame in turned] == [2, 1, 1, 0]


def test_frames_that_are_not_found_are_repeated_with_their_status(stacks: str) -> None:
    given = {
        "platform": "native",
        "adjust_instruction_addr": False,
        "function_id": 7,
        "package": "as given",
        "lang": "cpp",
        "symbol": "s",
        "sym_addr": "16",
        "function": "f",
        "filename": "a.c",
        "abs_path": "/b/a.c",
        "lineno": 3,
        "pre_context": ["x"],
        "context_line": "y",
        "post_context": [],
        "source_link": "https://example.org/a.c",
        "in_app": True,
        "trust": "cfi",
        "vars": {"a": "b"},
        "unknown": 1,
    }
    broken = {**module("broken.so", "abe"), "image_addr": "0x10"}
    nameless = {"type": "elf", "image_addr": "0x100000"}
    frames = [
        {**given, "instruction_addr": "4"},
        {**given, "instruction_addr": "0x400004"},
        {**given, "instruction_addr": "7", "addr_mode": "rel:1"},
        {**given, "instruction_addr": "7", "addr_mode": "rel:2"},
        {**given, "instruction_addr": "7", "addr_mode": "rel:3"},
        {**given, "instruction_addr": "7", "addr_mode": "rel:9"},
    ]
    modules = [ORCHARD, {**MISSING, "image_addr": "0x20000"}, broken, nameless]
    answer = complete(stacks, {"stacktraces": [{"frames": frames}], "modules": modules})
    repeated = {
        **given,
        "function_id": "0x7",
        "sym_addr": "0x10",
    }
    for name in ("vars", "unknown", "post_context"):
        del repeated[name]
    without = {name: value for name, value in repeated.items() if name != "package"}
    relative = {"instruction_addr": "0x7"}
    assert answer["stacktraces"][0]["frames"] == [
        {"status": "unknown_image", "original_index": 0, **repeated, "instruction_addr": "0x4"},
        {
            "status": "missing_symbol",
            "original_index": 1,
            **repeated,
            "instruction_addr": "0x400004",
            "package": "/usr/bin/orchard",
        },
        {
            "status": "missing",
            "original_index": 2,
            **repeated,
            **relative,
            "addr_mode": "rel:1",
            "package": "/lib/lost.so",
        },
        {"status": "malformed", "original_index": 3, **without, **relative, "addr_mode": "rel:2"},
        {"status": "missing", "original_index": 4, **without, **relative, "addr_mode": "rel:3"},
        {
            "status": "unknown_image",
            "original_index": 5,
            **repeated,
            **relative,
            "addr_mode": "rel:9",
        },
    ]
    statuses = [one["debug_status"] for one in answer["modules"]]
    assert statuses == ["found", "missing", "malformed", "missing"]


def test_a_found_frame_keeps_only_what_its_file_does_not_say(stacks: str) -> None:
    given = {
        "instruction_addr": START + 0x10B0,
        "platform": "native",
        "adjust_instruction_addr": False,
        "function_id": "0x7",
        "package": "as given",
        "lang": "cpp",
        "symbol": "s",
        "function": "f",
        "filename": "a.c",
        "abs_path": "/b/a.c",
        "lineno": 3,
        "pre_context": ["x"],
        "trust": "cfi",
    }
    assert ask_for(stacks, given) == [
        {
            "status": "symbolicated",
            "original_index": 0,
            "platform": "native",
            "instruction_addr": "0x4010b0",
            "adjust_instruction_addr": False,
            "function_id": "0x7",
            "package": "/usr/bin/orchard",
            "symbol": "_start",
            "sym_addr": "0x401090",
            "function": "_start",
            "filename": "a.c",
            "abs_path": "/b/a.c",
            "lineno": 0,
            "trust": "cfi",
        }
    ]


def test_frames_that_a_scan_mistook_for_frames_are_left_out(stacks: str) -> None:
    scanned = [
        {"instruction_addr": address, "trust": "scan"}
        for address in (START + 0x1050, START + 4, 4, START + 0x1050)
    ]
    frames = ask_for(stacks, *scanned)
    assert [frame["original_index"] for frame in frames] == [0, 3]


def test_what_a_walker_finds_below_start_is_left_out(stacks: str) -> None:
    start = START + 0x10B0
    assert [frame["original_index"] for frame in ask_for(stacks, start, 4)] == [0]
    assert [frame["original_index"] for frame in ask_for(stacks, start, 4, 5)] == [0, 1, 2]
    assert [frame["original_index"] for frame in ask_for(stacks, START + 0x1050, 4)] == [0, 1]
    named = {"instruction_addr": 4, "function": "_start"}
    assert [frame["original_index"] for frame in ask_for(stacks, named, 5)] == [0]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"function": "_ZN1a1bEv"}, {"symbol": "_ZN1a1bEv", "function": "a::b()"}),
        ({"symbol": "_ZN1a1bEv"}, {"symbol": "_ZN1a1bEv", "function": "a::b()"}),
        ({"symbol": "_ZN1a1bEv", "function": "b"}, {"symbol": "_ZN1a1bEv", "function": "b"}),
        ({"function": "main"}, {"function": "main"}),
        ({"function": "_Zébra"}, {"function": "_Zébra"}),
        ({"function": "_Z" + 2_000 * "x"}, {"function": "_Z" + 2_000 * "x"}),
        (
            {"function": "_Z1fIiE" + "DpT_" * 200},
            {"function": "_Z1fIiE" + "DpT_" * 200},
        ),
    ],
)
def test_names_of_frames_that_are_not_found_are_demangled(
    stacks: str, given: dict[str, str], told: dict[str, str]
) -> None:
    (frame,) = ask_for(stacks, {"instruction_addr": 4, **given})
    assert {name: frame[name] for name in ("symbol", "function") if name in frame} == told


@pytest.mark.parametrize(
    ("name", "number", "callee", "caller"),
    [
        ("thumb.so", "abc", (0x1001, 0x1000, 1), (0x1005, 0x1002, 1)),
        ("wide.so", "abd", (0x1004, 0x1004, 2), (0x1008, 0x1004, 2)),
    ],
)
def test_addresses_are_those_of_the_processor_that_the_file_is_for(
    stacks: str,
    name: str,
    number: str,
    callee: tuple[int, int, int],
    caller: tuple[int, int, int],
) -> None:
    """The first time the file has to be read before that is known."""
    frames = [{"instruction_addr": START + one[0]} for one in (callee, caller)]
    request = {"stacktraces": [{"frames": frames}], "modules": [module(name, number)]}
    answers = [complete(stacks, request) for _ in range(2)]
    assert answers[0] == answers[1]
    told = [
        (frame["instruction_addr"], frame["lineno"])
        for frame in answers[0]["stacktraces"][0]["frames"]
    ]
    assert told == [(hex(START + address), line) for _, address, line in (callee, caller)]


@pytest.mark.promise("An answer in Symbolicator's API has a bounded size", group="limits")
def test_an_answer_that_repeats_too_much_is_refused() -> None:
    """A long code file is given once, and told with each frame."""
    frames = [{"instruction_addr": "0x1", "addr_mode": "rel:0"}] * 20
    given_module = {"type": "elf", "code_file": "x" * 1_000}
    payload = {"stacktraces": [{"frames": frames}], "modules": [given_module]}
    request = parse_stacks(payload, BodyLimits(10, 100))
    missing = stack_pb2.SymbolicatedFrame(outcome=stack_pb2.FRAME_OUTCOME_MODULE_MISSING)
    result = module_pb2.ModuleResult(outcome=module_pb2.MODULE_OUTCOME_MISSING)
    answer = EncodedAnswer([[missing.SerializeToString()] * 20], [result])
    answered = Answered(request, find_places(request, [Processor()]), answer, [NOTHING])
    deadline = Deadline.after(60.0)
    size = len(write_completed(answered, deadline))
    assert size > 20 * 1_000
    assert write_completed(answered, deadline, size)
    with pytest.raises(Refused) as caught:
        write_completed(answered, deadline, size - 1_000)
    assert caught.value.status == 413
    with pytest.raises(DeadlineError):
        write_completed(answered, Deadline(0.0, 0.0))


def test_stacks_keep_what_they_are_called_and_in_order(stacks: str) -> None:
    first = {
        "thread_id": 7,
        "thread_name": "ma\nin",
        "is_requesting": True,
        "registers": {"rip": 1, "rax": "0x02"},
    }
    request = {"stacktraces": [{**first, "frames": []}, {"frames": [], "registers": {}}]}
    told = {**first, "registers": {"rax": "0x2", "rip": "0x1"}, "frames": []}
    assert complete(stacks, request)["stacktraces"] == [told, {"frames": []}]


def test_modules_are_repeated_in_one_spelling(stacks: str) -> None:
    modules = [
        {**ORCHARD, "image_addr": START, "image_size": None, "debug_checksum": "x", "arch": "arm"},
        {"type": "ELF", "debug_id": "", "code_id": "", "image_addr": "0x500000", "name": "n"},
        {"type": "pe", "debug_id": "no id", "code_file": "a\nb", "image_size": 0},
    ]
    answer = complete(stacks, {"modules": modules})
    rest = [
        {name: value for name, value in one.items() if name not in ("features", "arch")}
        for one in answer["modules"]
    ]
    assert rest == [
        {
            "debug_status": "unused",
            **ORCHARD,
            "image_size": 0x100000,
            "debug_checksum": "x",
        },
        {"debug_status": "unused", "type": "unknown", "image_addr": "0x500000"},
        {
            "debug_status": "unused",
            "type": "pe",
            "code_file": "a\nb",
            "image_addr": "0x0",
            "image_size": START,
        },
    ]
