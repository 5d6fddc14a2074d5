"""The gateway's answers in Tecken's and Eliot's API."""

import json
import re

import pytest

from tests.app.conftest import ROOT, SAMPLE
from tests.gateway.asking import ORCHARD, TEXT, V4, V5, post

MISSING = ["nowhere.pdb", "0123456789ABCDEF0123456789ABCDEF1"]
JOB = {"memoryMap": [ORCHARD, MISSING], "stacks": [[[0, 4272], [1, 7], [-1, 9]]]}
JOB_V5 = (
    b'{"stacks": [[{"frame": 0, "module": "orchard", "module_offset": "0x10b0", '
    b'"function": "_start", "function_offset": "0x20"}, '
    b'{"frame": 1, "module": "nowhere.pdb", "module_offset": "0x7"}, '
    b'{"frame": 2, "module": "<unknown>", "module_offset": "0x9"}]], '
    b'"found_modules": {"orchard/C3D8E3C7B6594DF1DFCA907993B477250": true, '
    b'"nowhere.pdb/0123456789ABCDEF0123456789ABCDEF1": false}}'
)


def test_version_5_is_answered_byte_for_byte(gateway: str) -> None:
    answer = post(gateway, V5, {"jobs": [JOB, JOB]})
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.body == b'{"results": [' + JOB_V5 + b", " + JOB_V5 + b"]}"


def test_one_job_needs_no_list(gateway: str) -> None:
    assert post(gateway, V5, JOB).body == b'{"results": [' + JOB_V5 + b"]}"


def test_version_4_is_answered_byte_for_byte(gateway: str) -> None:
    assert post(gateway, V4, {"version": 4, **JOB}).body == (
        b'{"symbolicatedStacks": [["_start (in orchard)", "0x7 (in nowhere.pdb)", '
        b'"0x9 (in <unknown>)"]], "knownModules": [true, false]}'
    )


GUID = "c3d8e3c7-b659-4df1-dfca-907993b47725"


@pytest.mark.parametrize(
    "debug_id",
    [GUID, f"{GUID}-0", GUID.replace("-", ""), f"{{{GUID.upper()}}}", f"{{{GUID}}}00000000"],
)
def test_every_common_spelling_of_a_debug_id_is_accepted_and_echoed(
    gateway: str, debug_id: str
) -> None:
    job = {"memoryMap": [["orchard", debug_id], ORCHARD], "stacks": [[[0, 4272], [1, 4272]]]}
    (result,) = post(gateway, V5, job).content["results"]
    assert [frame["function"] for frame in result["stacks"][0]] == ["_start", "_start"]
    assert result["found_modules"] == {f"orchard/{debug_id}": True, "/".join(ORCHARD): True}
    version_4 = post(gateway, V4, {"version": 4, **job}).content
    assert version_4["knownModules"] == [True, True]


def test_lines_and_inline_frames_of_a_real_crash_come_along(gateway: str) -> None:
    crash = json.loads((SAMPLE / "crash.json").read_text())
    (result,) = post(gateway, V5, crash).content["results"]
    assert result["stacks"][0][1] == {
        "frame": 1,
        "module": "orchard",
        "module_offset": "0x11cb",
        "function": "orchard::ship(orchard::Crate const*, int)",
        "function_offset": "0x2b",
        "function_size": "0x51",
        "file": "orchard/shipping.cpp",
        "line": 19,
        "inlines": [{"function": "price", "file": "orchard/shipping.cpp", "line": 10}],
    }


def test_the_header_debug_adds_the_counts_of_eliot(gateway: str) -> None:
    debug = post(gateway, V5, JOB, Debug="true").content["debug"]
    assert set(debug) == {
        "time",
        "cache_lookups",
        "downloads",
        "parse_sym",
        "save_symcache",
        "modules",
    }
    assert debug["modules"]["count"] == 2


def test_outcomes_are_returned_on_request(gateway: str) -> None:
    (outcomes,) = post(gateway, f"{V5}?outcomes", JOB).content["outcomes"]
    assert [(one["debug_file"], one["outcome"]) for one in outcomes] == [
        ("orchard", "found"),
        ("nowhere.pdb", "missing"),
    ]
    assert outcomes[1]["retry_after_seconds"] is None or outcomes[1]["retry_after_seconds"] > 0


def test_the_examples_of_the_documentation_are_answered_as_they_say(gateway: str) -> None:
    text = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
    ours, _, others = text.partition("\n## Symbolicator's API\n")
    text = ours + others.partition("\n## ")[2]
    examples = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert len(examples) == 4
    for request, response in zip(examples[::2], examples[1::2], strict=True):
        assert post(gateway, V5, json.loads(request)).content == json.loads(response)


def test_the_text_of_the_documentation_is_answered_as_it_says(gateway: str) -> None:
    text = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
    given, told = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    assert post(gateway, TEXT, given.encode()).body.decode() == told


def test_a_pasted_tombstone_is_answered_with_its_titles_and_inline_frames(gateway: str) -> None:
    tombstone = (SAMPLE.parent / "pasted" / "tombstone.txt").read_bytes()
    answer = post(gateway, TEXT, tombstone, Accept="application/json").content
    assert answer["titles"][0][0] == "Thread 1092 Thread-2"
    frame = answer["results"][0]["stacks"][0][1]
    assert (frame["line"], frame["inlines"][0]["function"]) == (19, "price")
    assert answer["outcomes"][0][0]["outcome"] == "found"
