"""Compiled modules do what their source does, and are used only while it is unchanged."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVER = ROOT / "server"
KEPT = ROOT / ".cache" / "compiled"
SECONDS = 900
"""For compiling on a busy machine; it takes half a minute on a quiet one."""

TESTS = (
    "tests/symbols/native/test_line_tables.py",
    "tests/symbols/paging/test_column_codes.py",
    "tests/symbols/paging/test_dictionary.py",
    "tests/symbols/paging/test_large_pages.py",
    "tests/symbols/paging/test_octets.py",
    "tests/symbols/paging/test_wire.py",
    "tests/symbols/paging/test_worked_example.py",
    "tests/symbols/reading/test_misfits.py",
    "tests/symbols/test_answers.py",
    "tests/symbolication/recalling/test_recall.py",
    "tests/symbolication/test_answers.py",
)
"""What tests the modules that are compiled."""

WHICH = "from symbolon_server.symbols.paging import wire; print(wire.__file__)"


def compile_into(
    folder: Path, *options: str, root: Path = ROOT, path: str | None = None
) -> "subprocess.CompletedProcess[str]":
    """Compile the modules of a checkout, with the programs on this path."""
    return subprocess.run(
        [sys.executable, root / "scripts/compile_modules.py", *options, folder],
        env=os.environ | ({} if path is None else {"PATH": path}),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def compiled() -> Path:
    """The compiled modules of this checkout, which are kept for the next run."""
    done = compile_into(KEPT)
    if done.returncode:
        assert "SYMBOLON_COMPILERS" not in os.environ, done.stderr
        pytest.skip(done.stderr)
    return KEPT


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what is compiled, and of what compiles it."""
    root = tmp_path / "copy"
    ignored = shutil.ignore_patterns("__pycache__", "compiled")
    for folder in ("scripts", "server"):
        shutil.copytree(ROOT / folder, root / folder, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def run(arguments: Sequence[str], compiled: Path | str, server: Path = SERVER) -> str:
    """Run Python with the compiled modules of a folder; return what it prints."""
    path = os.pathsep.join([str(server), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | {"SYMBOLON_COMPILED": str(compiled), "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.strip()


@pytest.mark.timeout(SECONDS)
def test_compiled_modules_do_what_their_source_does(compiled: Path) -> None:
    assert Path(run(["-c", WHICH], compiled)).parent == compiled
    run(["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *TESTS], compiled)


@pytest.mark.timeout(SECONDS)
def test_no_compiled_module_is_used_once_any_of_their_sources_changes(
    compiled: Path, copy: Path
) -> None:
    server = copy / "server"
    assert Path(run(["-c", WHICH], compiled, server)).parent == compiled
    with (server / "symbolon_server/symbols/paging/reader.py").open("a") as source:
        source.write("# edited\n")
    assert Path(run(["-c", WHICH], compiled, server)).suffix == ".py"


@pytest.mark.timeout(SECONDS)
def test_the_compiled_modules_of_another_python_are_not_used(
    compiled: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(compiled, tmp_path / "other")
    _, *sources = (other / "sources").read_text().splitlines()
    (other / "sources").write_text("\n".join([".cpython-399-unknown.so", *sources]))
    assert Path(run(["-c", WHICH], other)).suffix == ".py"


@pytest.mark.timeout(SECONDS)
def test_the_server_says_which_form_it_runs(compiled: Path) -> None:
    version = ["-m", "symbolon_server", "--version"]
    assert run(version, compiled).endswith(" (compiled)")
    assert run(version, "none").endswith(" (pure)")


def test_without_a_compiler_the_source_runs_and_nothing_is_said(copy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "compiled"
    quiet = compile_into(folder, "--quiet", root=copy, path="")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    told = compile_into(folder, root=copy, path="")
    assert told.returncode == 1
    assert "there is no C compiler" in told.stderr
    assert not folder.exists()
