"""Reports with invalid parts, through the gateway and a real server."""

from typing import Any

import pytest

from tests.gateway.asking import ORCHARD, V4, V5, post

FINE = {"memoryMap": [ORCHARD], "stacks": [[[0, 4272]]]}


def functions(result: Any) -> list[list[Any]]:
    return [[frame.get("function") for frame in stack] for stack in result["stacks"]]


@pytest.mark.parametrize("folder", ["C:\\build\\out\\", "/usr/bin/", "..\\"])
def test_a_module_with_a_path_is_found_by_its_last_part(gateway: str, folder: str) -> None:
    path = [folder + ORCHARD[0], ORCHARD[1]]
    other = ["C:\\build\\out\\tool.pdb", "D1F7A0000000000000000000000000051"]
    job = {"memoryMap": [ORCHARD, other, path], "stacks": [[[0, 4272], [1, 16], [2, 4272]]]}
    answer = post(gateway, f"{V5}?outcomes", job, Debug="1")
    assert answer.status == 200, answer.title
    (result,) = answer.content["results"]
    assert functions(result) == [["_start", None, "_start"]]
    assert result["found_modules"] == {
        "/".join(ORCHARD): True,
        "/".join(other): False,
        "/".join(path): True,
    }
    assert "errors" not in result
    (outcomes,) = answer.content["outcomes"]
    assert [(one["debug_file"], one["outcome"]) for one in outcomes] == [
        (ORCHARD[0], "found"),
        (other[0], "missing"),
        (path[0], "found"),
    ]
    assert "/".join(path) in answer.content["debug"]["modules"]["stacks_per_module"]


def test_invalid_modules_and_frames_do_not_affect_the_rest(gateway: str) -> None:
    odd = {
        "memoryMap": [ORCHARD, ["x" * 300, "AB0"], ["y.so", "no hex"], ["unused\n", "AB0"], None],
        "stacks": [[[0, 4272], [1, 1], [2, 2], [9, 3], [0, "0x4"], 5, [0, 4272]], [[4, 6]]],
    }
    answer = post(gateway, f"{V5}?outcomes", {"jobs": [FINE, odd, FINE]})
    assert answer.status == 200, answer.title
    first, result, last = answer.content["results"]
    assert first == last == post(gateway, V5, FINE).content["results"][0]
    assert functions(result) == [["_start", *[None] * 5, "_start"], [None]]
    assert [error.partition(":")[0] for error in result["errors"]] == [
        "module index 1 has an invalid debug_filename",
        "module index 2 has an invalid debug_id",
        "module index 3 has an invalid debug_filename",
        "module index 4 does not have a debug_filename and debug_id",
        "stack 0 frame 3 has a module_index that isn't in modules",
        "stack 0 frame 4 has an invalid module_offset",
        "stack 0 frame 5 is not a list of two items",
    ]
    assert list(result["found_modules"].values()) == [True, False, False, None, False]
    outcomes = answer.content["outcomes"][1]
    assert [one["outcome"] for one in outcomes] == [
        "found",
        "missing",
        "missing",
        "not_referenced",
        "missing",
    ]
    assert all(one["detail"].startswith("not looked up: ") for one in outcomes[1:])
    assert [one["retry_after_seconds"] for one in outcomes] == [None] * 5


def test_version_4_reports_invalid_modules_too(gateway: str) -> None:
    job = {
        "version": 4,
        "memoryMap": [ORCHARD, ["x\n", "AB0"]],
        "stacks": [[[0, 4272], [1, 9]]],
    }
    answer = post(gateway, V4, job).content
    assert answer["symbolicatedStacks"] == [["_start (in orchard)", "0x9 (in x\n)"]]
    assert answer["knownModules"] == [True, False]
    assert len(answer["errors"]) == 1
