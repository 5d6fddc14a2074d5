"""The README's way from a program of one's own to its functions."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.debug_files.compiling import run, tool

ROOT = Path(__file__).resolve().parents[3]
CHAPTER = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Your own crash")[2]
SOURCE = "int drop(int *at) { return *at; }\nint main() { return drop(0); }\n"


@pytest.mark.parametrize("compiler", ["gcc", "clang -Wl,--build-id"])
def test_a_program_of_ones_own_is_symbolicated_by_the_commands_of_the_readme(
    tmp_path: Path, compiler: str
) -> None:
    (tmp_path / "own.c").write_text(SOURCE)
    run([*compiler.split(), "-g", "-o", "own", "own.c"], tmp_path)
    listed = run(["nm", "own"], tmp_path)
    offset = next(int(line.split()[0], 16) for line in listed.splitlines() if "drop" in line)
    commands = re.findall(r"```\n(id=.*?)```", CHAPTER, re.DOTALL)[0]
    assert "4444" in commands
    commands = commands.replace("PROGRAM", "own").replace("4444", str(offset))
    commands = commands.replace(".venv/bin/", f"{Path(sys.executable).parent}/")
    done = subprocess.run(
        [tool("bash"), "-euc", commands],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    shown = rf"Thread 0\n  0  own  drop  \[{re.escape(str(tmp_path))}/own.c:1\]\n"
    assert re.match(shown, done.stdout), done.stdout
