"""What the tools of this machine print of a crash leads to its functions."""

import os
import subprocess
from pathlib import Path

import pytest

from symbolon._forms.documents import read_document
from symbolon._tecken.jobs import Job
from tests.debug_files.compiling import is_required, read_build_id, run, tool

SOURCE = r"""
#include <execinfo.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
static void print_stack(int number) {
    void *frames[64];
    (void)number;
    backtrace_symbols_fd(frames, backtrace(frames, 64), 2);
    _exit(1);
}
int pick(volatile int *apples) { return apples[1] + 1; }
int harvest(volatile int *apples) { return pick(apples) + 1; }
int spin(volatile int *rounds) {
    int sum = 0;
    while ((*rounds)-- > 0) sum += *rounds;
    return sum;
}
int main(int count, char **arguments) {
    int rounds = 50 * 1000 * 1000;
    (void)arguments;
    if (count > 2) return spin(&rounds) == 7;
    if (count > 1) signal(SIGSEGV, print_stack);
    return harvest(NULL) + 1;
}
"""


def build(folder: Path, *compiler: str) -> Path:
    (folder / "orchard.c").write_text(SOURCE)
    options = ["-g", "-O0"]  # each function has a frame, and crashes after its first instruction
    run([*compiler, *options, "-o", "orchard", "orchard.c"], folder)
    return folder / "orchard"


def crash(program: Path, *arguments: str) -> bytes:
    """Return what the program prints when it crashes."""
    done = subprocess.run(
        [program, *arguments],
        env={**os.environ, "ASAN_OPTIONS": "symbolize=0"},
        check=False,
        stderr=subprocess.PIPE,
    )
    assert done.returncode
    return done.stderr


def functions_of(job: Job, program: Path) -> list[str]:
    """Return the functions of the program that addr2line finds, innermost first."""
    own = [
        f"{offset - (place in job.frames.returning):#x}"
        for place, (index, offset) in enumerate(
            zip(job.frames.indexes, job.frames.offsets, strict=True)
        )
        if index >= 0 and job.modules[index].sent.debug_file == program.name
    ]
    found = run(["addr2line", "-f", "-e", str(program), *own], program.parent)
    return found.splitlines()[::2]


def is_in_order(functions: list[str], expected: list[str]) -> bool:
    left = iter(functions)
    return all(one in left for one in expected)


def test_glibc_prints_lines_of_backtrace_symbols_that_are_read(tmp_path: Path) -> None:
    program = build(tmp_path, "gcc")
    (job,) = read_document(crash(program, "handled"), "stack").jobs
    assert is_in_order(functions_of(job, program), ["pick", "harvest", "main"])
    assert job.problems[0].startswith("orchard: no build id")


def test_a_sanitizer_of_gcc_prints_a_stack_that_is_read(tmp_path: Path) -> None:
    program = build(tmp_path, "gcc", "-fsanitize=address")
    (job,) = read_document(crash(program), "report").jobs
    assert functions_of(job, program)[:3] == ["pick", "harvest", "main"]
    assert "ERROR: AddressSanitizer: SEGV" in job.titles[0]


def test_a_sanitizer_of_llvm_prints_build_ids_that_are_read(tmp_path: Path) -> None:
    runtime = run(["clang", "--print-file-name=libclang_rt.asan-x86_64.a"], tmp_path).strip()
    if not Path(runtime).is_absolute():
        assert not is_required(), "clang has no runtime of its sanitizers: libclang-rt-dev"
        pytest.skip("clang has no runtime of its sanitizers here")
    program = build(tmp_path, "clang", "-fsanitize=address", "-Wl,--build-id")
    (job,) = read_document(crash(program), "report").jobs
    assert functions_of(job, program)[:3] == ["pick", "harvest", "main"]
    assert job.modules[0].sent.code_id == read_build_id(program)


def test_perf_prints_call_chains_with_build_ids_that_are_read(tmp_path: Path) -> None:
    perf = tool("perf")
    program = build(tmp_path, "gcc")
    recording = ["record", "-q", "--buildid-mmap", "-e", "cpu-clock:u", "--call-graph", "fp"]
    recorded = subprocess.run(
        [perf, *recording, "-o", "perf.data", str(program), "a", "b"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    if recorded.returncode > 1 or not (tmp_path / "perf.data").exists():
        pytest.skip(f"perf may not record here: {recorded.stderr.strip()[:200]}")
    printed = run(["perf", "script", "--show-mmap-events", "-i", "perf.data"], tmp_path)
    (job,) = read_document(printed.encode(), "chains").jobs
    functions = functions_of(job, program)
    assert is_in_order(functions, ["spin", "main"])
    own = next(one.sent for one in job.modules if one.sent.debug_file == program.name)
    assert own.code_id == read_build_id(program)
