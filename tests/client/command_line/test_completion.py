"""The scripts that complete commands and flags, in the shells that are here."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from symbolon.command_line.arguments import main, make_parser
from symbolon.command_line.command_words import read_commands

CHECKS = {"bash": ["bash", "-n"], "zsh": ["zsh", "-n"], "fish": ["fish", "-n"]}
"""How a shell is asked whether it can read a script."""


@pytest.fixture
def script(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["completion", request.param]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("script", CHECKS, indirect=True)
def test_a_script_knows_every_command_and_every_flag(script: str) -> None:
    words = script.replace("'", " ").replace("[", " ").split()
    for command in read_commands(make_parser()):
        assert any(word.partition(":")[0] == command.name for word in words), command
        for flag in command.flags:
            assert any(
                name.lstrip("-") in {word.lstrip("-") for word in words} for name in flag.names
            )


@pytest.mark.parametrize(
    ("script", "check"),
    [
        pytest.param(shell, check, id=shell)
        for shell, check in CHECKS.items()
        if shutil.which(shell)
    ],
    indirect=["script"],
)
def test_a_script_can_be_read_by_its_shell(
    script: str, check: Sequence[str], tmp_path: Path
) -> None:
    file = tmp_path / "script"
    file.write_text(script)
    done = subprocess.run([*check, str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def complete_in_bash(script: str, words: Sequence[str], folder: Path) -> list[str]:
    """Return what bash offers for the last of the words."""
    line = " ".join(f"'{word}'" for word in words)
    ask = f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _symbolon; "
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
        (["info", "--watch", "--js"], ["--json"]),
        (["completion", ""], ["bash", "zsh", "fish", "-h", "--help"]),
    ],
)
def test_bash_offers_what_may_follow(
    script: str, words: list[str], offered: list[str], tmp_path: Path
) -> None:
    (tmp_path / "crash.json").touch()
    assert complete_in_bash(script, ["symbolon", *words], tmp_path) == offered
