"""The scripts that complete commands and flags, in the shells that are installed."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from symbolon.command_line.arguments import COMMANDS, main
from symbolon.command_line.commands.completion import SHELLS


@pytest.fixture
def script(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["completion", request.param]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("script", SHELLS, indirect=True)
def test_a_script_knows_every_command(script: str) -> None:
    assert all(command.name in script for command in COMMANDS)
    assert "max-wait" in script


@pytest.mark.parametrize(
    ("script", "shell"),
    [pytest.param(shell, shell, id=shell) for shell in SHELLS if shutil.which(shell)],
    indirect=["script"],
)
def test_a_script_can_be_read_by_its_shell(script: str, shell: str, tmp_path: Path) -> None:
    file = tmp_path / "script"
    file.write_text(script)
    done = subprocess.run([shell, "-n", str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def complete_in_bash(script: str, words: Sequence[str], folder: Path) -> list[str]:
    """Return what bash offers for the last of the words."""
    line = " ".join(f"'{word}'" for word in words)
    ask = f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _shtab_symbolon; "
    ask += "printf '%s\\n' \"${COMPREPLY[@]}\""
    done = subprocess.run(
        ["bash", "-c", f"{script}\n{ask}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
    )
    return done.stdout.split()


@pytest.mark.parametrize("script", ["bash"], indirect=True)
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["sym"], ["symbolicate"]),
        (["in"], ["invalidate", "info"]),
        (["symbolicate", "--form"], ["--format"]),
        (["symbolicate", "--format", ""], ["json", "v5", "v4", "text"]),
        (["symbolicate", "cra"], ["crash.json"]),
        (["symbolicate", "--output", "cra"], ["crash.json"]),
        (["module", "cra"], []),
        (["completion", "z"], ["zsh"]),
    ],
)
def test_bash_offers_what_may_follow(
    script: str, words: list[str], offered: list[str], tmp_path: Path
) -> None:
    (tmp_path / "crash.json").touch()
    assert complete_in_bash(script, ["symbolon", *words], tmp_path) == offered


def test_without_shtab_the_command_names_the_extra_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("symbolon: completion needs the package shtab: install the extra")
    assert "WHEEL[cli]" in complaint
