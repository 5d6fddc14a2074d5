"""What all forms have in common."""

import time

import pytest

from symbolon._forms import table
from symbolon._forms.crash import make_elf_module, make_mach_o_module
from tests.client.forms.reading import ORCHARD, ORCHARD_BUILD_ID


@pytest.mark.parametrize(
    ("build_id", "debug_id"),
    [
        (ORCHARD_BUILD_ID, ORCHARD),
        ("0123456789abcdef", "67452301AB89EFCD" + "0" * 17),
        ("123", ""),
        ("", ""),
    ],
    ids=["whole", "short", "odd", "empty"],
)
def test_an_elf_modules_debug_id_is_made_of_its_build_id(build_id: str, debug_id: str) -> None:
    assert make_elf_module("/usr/bin/orchard", build_id).debug_id == debug_id


def test_a_uuid_of_zeros_is_no_id() -> None:
    assert make_mach_o_module("/a", "00000000-0000-0000-0000-000000000000").debug_id == ""


HOSTILE = {
    "an address": "#1 0x1 in " + "(" * 50_000,
    "paths": "    #0 0x1  (" + " (/" * 50_000 + "+0x10)",
    "a number": "#1" + " " * 100_000 + "x",
    "details": "      #00 pc 00001210  " + " (" * 50_000,
    "pc": "#00 pc" + " " * 100_000 + "x",
    "parentheses": "a" + "(" * 50_000 + ")[0x1]",
    "brackets": "[0x" * 50_000 + "]",
    "addresses": "Binary Images:\nThread 0:\n0" + " " * 100_000 + "\n0  a" + " 0x" * 50_000,
    "an image": "Binary Images:\nThread 0:\n" + "0x1 - 0x2" + " " * 100_000,
    "a sample": "x:\n  1 " + "(" * 50_000 + ")",
    "build ids": "#1 0x1 " + "(BuildId: " * 50_000 + ")",
    "a walked frame": "Thread 0\n0  a!" + " + 0x" * 50_000 + "\n1" + " " * 100_000 + "\n",
    "registers": "Thread 0\n0  a + 0x1\n" + "pc = 0x" * 50_000,
    "walked modules": "Thread 0\n0  a + 0x1\nLoaded modules:\n0x1 - 0x2  "
    + "(WARNING: , " * 50_000,
    "bars": "0|0|" + "|" * 100_000 + "\nModule" + "|" * 100_000 + "\nCrash" + "|" * 100_000,
    "a thread": "pid: 1, tid: 1, name: " + "  >>>" * 50_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_lines_take_no_more_than_linear_time(text: str) -> None:
    started = time.process_time()
    for form in table.TEXT_FORMS:
        form.is_it(text)
        form.read(text)
    assert time.process_time() - started < 1
