"""Reports of sanitizers."""

from tests.client.forms.reading import BOTH, ids, read, read_text, sample_offsets, stack


def test_a_sanitizers_stack_has_modules_by_build_id() -> None:
    job = read("asan-llvm.txt")
    assert ids(job) == BOTH
    assert stack(job) == list(sample_offsets())
    (title,) = job.titles
    assert title.startswith("==8021==ERROR: AddressSanitizer: SEGV on unknown address 0x0")


def test_a_sanitizer_that_prints_no_build_ids_is_told() -> None:
    job = read("asan-gcc.txt")
    assert stack(job) == list(sample_offsets())
    assert ids(job) == {("orchard", "", ""), ("libc.so.6", "", "")}
    assert [problem.partition(",")[0] for problem in job.problems] == [
        "orchard: no build id",
        "libc.so.6: no build id",
    ]


def test_each_stack_of_a_sanitizer_is_called_by_the_line_above_it() -> None:
    job = read_text(
        b"READ of size 4 at 0x602000000014 thread T0\n"
        b"    #0 0x7f416e0f115a in operator()(int) (/opt/a (1)/lib.so+0x115a) (BuildId: abcd)\r\n"
        b"    #1 0x5649d9a0f1ae in main /src/prog.c:4\n\n"
        b"freed by thread T0 here:\n"
        b"    #0 <null> <null> (prog:arm64+0x10) (BuildId: 12345)\n"
        b"    #1 0x1234 in f C:\\a.c:1 (C:\\Program Files (x86)\\a.exe+0x140001000)\n"
    )
    assert job.titles == ("READ of size 4 at 0x602000000014 thread T0", "freed by thread T0 here:")
    assert [module.sent.code_file for module in job.modules] == [
        "/opt/a (1)/lib.so",
        "prog",
        "C:\\Program Files (x86)\\a.exe",
    ]
    assert job.modules[0].sent.debug_id == "0000CDAB" + "0" * 25
    assert job.modules[1].sent.code_id == ""  # not whole bytes
    assert list(job.frames.indexes) == [0, -1, 1, 2]
    assert job.problems[0].startswith("frames without a module: 1,")
