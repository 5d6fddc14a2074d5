"""What minidump-stackwalk prints for people, and Breakpad's for programs."""

import pytest

from tests.client.forms.reading import LIBC, ORCHARD, ids, read, read_text, returning_offsets, stack

BREAKPAD = ("minidump_stackwalk.txt", "minidump_stackwalk-m.txt")
BOTH_DEBUG_IDS = {("orchard", ORCHARD, ""), ("libc.so.6", LIBC, "")}


@pytest.mark.parametrize("name", [*BREAKPAD, "minidump-stackwalk.txt"])
def test_the_callers_of_a_walked_stack_have_return_addresses(name: str) -> None:
    job = read(name)
    assert stack(job) == returning_offsets()
    assert stack(job, 1)[0] == 0x8F1A2


@pytest.mark.parametrize("name", BREAKPAD)
def test_breakpad_tells_the_debug_ids_of_modules_without_symbols(name: str) -> None:
    job = read(name)
    assert ids(job) == BOTH_DEBUG_IDS
    assert job.problems == ()
    assert job.titles == ("Thread 0 (crashed)", "Thread 1")


def test_rust_minidump_tells_no_debug_ids_as_text_but_how_to_get_them() -> None:
    job = read("minidump-stackwalk.txt")
    assert ids(job) == {("orchard", "", ""), ("libc.so.6", "", "")}
    assert [problem.partition(":")[0] for problem in job.problems] == ["orchard", "libc.so.6"]
    assert "rust-minidump prints it with `minidump-stackwalk --json`" in job.problems[0]
    assert job.titles == ("Thread 0 orchard (crashed)", "Thread 1 gauge")


MODULES = """
Loaded modules:
0x00400000 - 0x00401fff  mill.exe  1.2.3.4  (main)  (WARNING: Corrupt symbols, mill.pdb, AB0)
0x00500000 - 0x00500fff  press one.dll  ???  (WARNING: No symbols, , 000000000000000000000000000)
"""


@pytest.mark.parametrize(
    ("frames", "indexes", "sent"),
    [
        ("0  mill.exe!grind [mill.c : 7 + 0x2]\n eip = 0x00400010", [0], [0x10]),
        ("0  mill.exe + 0x10\n1  mill.exe + 0x20", [0, 0], [0x10, ~0x20]),
        ("0  mill.exe + 0x10\n1  mill.exe!grind + 0x3\n  pc = 0x00400021", [0, 0], [0x10, ~0x20]),
        ("0  mill.exe!bran [mill.c : 7]\n1  mill.exe + 0x10\n2  0x77", [0, -1], [0x10, ~0x77]),
        ("0  mill.exe!bran [mill.c : 7 + 0x1]\n  Found by: inline record\n1  0x9", [-1], [9]),
        ("0  press one.dll + 0x4", [0], [4]),
        ("0  press one.dll!squeeze + 0x4\n  rip = 0x0000000000500004", [0], [4]),
        ("0  0x00000010 (unloaded vat.dll@0x10)\n  eip = 0x00000010", [-1], [0x10]),
        ("0  gone.dll + 0x8\n  eip = 0x00600008", [0], [8]),
    ],
    ids=[
        "a line of source",
        "without registers",
        "of ARM",
        "inlined",
        "inlined as of Breakpad",
        "a name with a space",
        "no source",
        "unloaded",
        "not listed",
    ],
)
def test_a_frame_is_found_by_its_register_else_by_its_offset(
    frames: str, indexes: list[int], sent: list[int]
) -> None:
    job = read_text(f"Thread 0 (crashed)\n{frames}\n{MODULES}".encode())
    assert (list(job.frames.indexes), list(job.encode().offsets)) == (indexes, sent)


def test_the_offsets_of_rust_minidump_are_within_the_call() -> None:
    text = f"Thread 0 \n 0  mill.exe + 0x10\n 1  mill.exe + 0x1f\n{MODULES}\nUnloaded modules:\n"
    assert stack(read_text(text.encode())) == [0x10, 0x1F]


def test_modules_are_called_as_in_the_list() -> None:
    text = f"Thread 0\n0  mill.exe + 0x1\n1  press one.dll + 0x2\n2  gone.dll + 0x3\n{MODULES}"
    job = read_text(text.encode())
    assert [(one.sent.debug_file, one.sent.debug_id) for one in job.modules] == [
        ("mill.pdb", "AB0"),
        ("press one.dll", ""),
        ("gone.dll", ""),
    ]
    assert [problem.partition(": no debug id")[0] for problem in job.problems] == [
        "press one.dll",
        "gone.dll",
    ]


def test_spaces_that_a_web_page_joined_are_no_hindrance() -> None:
    text = "Thread 0 (crashed)\n0 mill.exe + 0x10\n" + " ".join(MODULES.split(" "))
    joined = text.replace("  ", " ").encode()
    assert read_text(joined).modules[0].sent.debug_file == "mill.pdb"


def test_frames_with_a_function_but_no_registers_are_told() -> None:
    text = f"Thread 0\n0  mill.exe!grind [mill.c : 7 + 0x2]\n1  mill.exe + 0x10\n{MODULES}"
    job = read_text(text.encode())
    assert list(job.frames.indexes) == [-1, 0]
    assert job.problems[0].startswith("frames without an offset in their module: 1, as they have")
    assert "--json" in job.problems[0]


LINES = """Crash|No crash|0x0|1
Module|mill.exe|1.2.3.4|mill.pdb|AB0|0x00400000|0x00401fff|1

1|0|mill.exe||||0x10
1|1|mill.exe|grind|mill.c|7|0x2
1|2|gone.dll||||0x8
0|0|||||0x77
"""


def test_breakpads_lines_for_programs_have_offsets_where_they_have_no_function() -> None:
    job = read_text(LINES.encode())
    assert list(job.frames.indexes) == [0, -1, 1, -1]
    assert stack(job) == [0x10, 0, ~0x8]
    assert stack(job, 1) == [0x77]
    assert job.titles == ("Thread 1 (crashed)", "Thread 0")
    functions, missing = job.problems
    assert functions.startswith("frames without an offset in their module: 1, as they have a ")
    assert missing.startswith("gone.dll: no line `Module|…` with a debug id")
