"""The JSON of minidump-stackwalk."""

import json

import pytest

from symbolon.reports import Module
from tests.client.forms.reading import BOTH, ids, read, read_text, sample_offsets, stack


def test_a_minidump_that_was_walked_has_modules_by_all_their_ids() -> None:
    job = read("minidump-stackwalk.json")
    assert ids(job) >= BOTH
    assert job.problems == ()


def test_a_walker_has_put_the_offsets_of_callers_within_their_calls() -> None:
    job = read("minidump-stackwalk.json")
    assert stack(job)[:5] == list(sample_offsets())[:5]
    assert job.titles == ("Thread 0 orchard (crashed)",)


def walked(frame: object, **module: object) -> bytes:
    base = {"filename": "a.dll", "base_addr": "0x1000", "end_addr": "0x2000", **module}
    return json.dumps({"modules": [base], "threads": [{"frames": [frame]}]}).encode()


@pytest.mark.parametrize(
    ("frame", "indexes", "offsets"),
    [
        ({"offset": "0x1010", "module": None, "module_offset": None}, [0], [0x10]),
        ({"offset": "0x2000", "module": None}, [-1], [0x2000]),
        ({"offset": None, "module": "a.dll", "module_offset": "0x00000020"}, [0], [0x20]),
        ({"module": "other.dll", "module_offset": "0x30"}, [0], [0x30]),
        ({"offset": "0xg"}, [-1], [0]),
        ({"offset": "-0x1"}, [-1], [0]),
    ],
    ids=["by address", "after its end", "by name", "not listed", "no number", "negative"],
)
def test_a_frame_of_a_walker_is_found_by_address_else_by_name(
    frame: object, indexes: list[int], offsets: list[int]
) -> None:
    job = read_text(walked(frame, debug_id="AB0"))
    assert (list(job.frames.indexes), list(job.frames.offsets)) == (indexes, offsets)


def test_a_walked_module_with_its_code_id_alone_is_sent_with_that() -> None:
    frame = {"offset": "0x1010"}
    job = read_text(walked(frame, code_id="5F8A3C1E9000", debug_file="", debug_id=None))
    assert job.modules[0].sent == Module("a.dll", "", "a.dll", "5F8A3C1E9000")
    assert job.problems == ()


def test_a_walked_module_without_ids_is_told() -> None:
    [problem] = read_text(walked({"offset": "0x1010"}, debug_id="0" * 33)).problems
    assert problem.startswith("a.dll: neither debug id nor code id is in the minidump")
