"""Debian's debug files are answered as llvm-symbolizer and addr2line answer them.

These come as people have them: named by build id, compressed, with units merged by dwz.
"""

import subprocess
from pathlib import Path

import pytest

from tests.debug_files.compared.asking import LEAST_SHARE, Compared, ask_all
from tests.debug_files.compared.comparing import Verdict, share_equal
from tests.debug_files.compiling import Binary, is_required, read_build_id

LIBRARIES = Path("/usr/lib")
DEBUG_FILES = LIBRARIES / "debug/.build-id"
ADDRESSES = 7_000
CODE_BYTES = {"ld-linux-x86-64.so.2": 160_000, "libc.so.6": 1_400_000}
MOST_LINELESS = 0.004
"""gcc's LTO divides functions within rows of lines: 0.2 % of python3 lose a row's rest."""


def debug_file_of(library: str) -> Path:
    for path in LIBRARIES.glob(f"*/{library}"):
        build_id = read_build_id(path.resolve())
        debug_file = DEBUG_FILES / build_id[:2] / f"{build_id[2:]}.debug"
        if debug_file.exists():
            return debug_file
    if is_required():
        pytest.fail(f"the debug file of {library} is not installed")
    pytest.skip(f"the debug file of {library} is not installed: Debian's libc6-dbg has it")


@pytest.mark.promise("Native debug files are answered as two independent readers answer")
@pytest.mark.parametrize("library", CODE_BYTES)
def test_the_c_library_is_answered_as_the_references_answer(library: str) -> None:
    debug_file = debug_file_of(library)
    step = CODE_BYTES[library] // ADDRESSES | 1  # odd, as code is aligned
    check(ask_all(Binary(debug_file, debug_file), step), most_lineless=0.001)


@pytest.mark.sweep
def test_python_is_answered_as_the_references_answer() -> None:
    for debug_file in python_debug_files():
        compared = ask_all(Binary(debug_file, debug_file), 301)
        check(compared, most_lineless=MOST_LINELESS)


def python_debug_files() -> list[Path]:
    """Return the debug files of python3 itself, both builds of it: the largest ones."""
    package = f"python{'.'.join(map(str, debian_python()))}-dbg"
    listing = subprocess.run(
        ["dpkg", "--listfiles", package], check=False, capture_output=True, text=True
    )
    paths = [Path(line) for line in listing.stdout.splitlines() if line.endswith(".debug")]
    if not paths:
        pytest.skip(f"Debian's {package} is not installed")
    return sorted(paths, key=lambda path: path.stat().st_size)[-2:]


def debian_python() -> tuple[int, int]:
    found = subprocess.run(
        ["/usr/bin/python3", "-c", "import sys; print(*sys.version_info[:2])"],
        check=False,
        capture_output=True,
        text=True,
    )
    if not found.stdout:
        pytest.skip("this machine has no python3 of Debian")
    major, minor = map(int, found.stdout.split())
    return major, minor


def check(compared: Compared, most_lineless: float) -> None:
    verdicts = compared.verdicts
    assert verdicts[Verdict.EQUAL] > ADDRESSES / 2
    assert share_equal(verdicts, Verdict.LINELESS) >= LEAST_SHARE, verdicts
    assert verdicts[Verdict.LINELESS] <= most_lineless * verdicts[Verdict.EQUAL], verdicts
    alone = verdicts[Verdict.ALONE] + verdicts[Verdict.BETWEEN]
    assert alone <= (1 - LEAST_SHARE) * verdicts[Verdict.EQUAL], verdicts
