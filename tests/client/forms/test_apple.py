"""Apple's crash reports: text and `.ips`."""

import json

import pytest

from symbolon.errors import InvalidReportError
from tests.client.forms.reading import ORCHARD, ids, read, read_text, returning_offsets, stack


@pytest.mark.parametrize(("name", "crashed"), [("apple.txt", 1), ("orchard.ips", 0)])
def test_apples_callers_are_return_addresses(name: str, crashed: int) -> None:
    job = read(name)
    uuid = ORCHARD[:32].lower()
    assert ("orchard", ORCHARD, uuid) in ids(job)
    assert stack(job, crashed) == returning_offsets()
    assert job.titles[crashed].startswith("Thread 0")
    assert job.titles[crashed].endswith("(crashed)")


@pytest.mark.parametrize(("name", "exception"), [("apple.txt", 0), ("orchard.ips", 2)])
def test_the_backtrace_of_an_exception_has_return_addresses_only(name: str, exception: int) -> None:
    job = read(name)
    assert job.titles[exception] == "Last Exception Backtrace"
    assert all(offset < 0 for offset in stack(job, exception))


def test_an_apple_image_without_a_uuid_is_told() -> None:
    [problem] = read("apple.txt").problems
    assert problem.startswith("com.apple.CoreFoundation: no UUID")


def test_older_reports_list_the_addresses_of_an_exception_on_one_line() -> None:
    job = read_text(
        b"Last Exception Backtrace:\n(0x1010 0x1020)\n\nThread 0:\n0  a  0x1030 0x1000 + 48\n"
        b"Binary Images:\n0x1000 - 0x1fff a arm64  <c3d8e3c7b6594df1dfca907993b47725> /a\n"
    )
    assert stack(job, 0) == [~0x10, ~0x20]
    assert job.modules[0].sent.debug_id == ORCHARD


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"usedImages": 1, "threads": []}, "usedImages is not a list of objects"),
        ({"usedImages": [], "threads": []}, "has no stack with frames"),
        (
            {"usedImages": [], "threads": [{"frames": [{"imageOffset": 1, "imageIndex": 0}]}]},
            "frame 0 of a thread has no valid imageIndex",
        ),
        (
            {"usedImages": [{}], "threads": [{"frames": [{"imageOffset": -1, "imageIndex": 0}]}]},
            "frame 0 of a thread has no valid imageOffset",
        ),
    ],
    ids=["no list", "no threads", "no such image", "negative"],
)
def test_a_malformed_ips_is_refused(body: object, said: str) -> None:
    with pytest.raises(InvalidReportError, match=said):
        read_text(json.dumps(body).encode())
