"""docs/first-stack.md, followed from its first step to its last in a folder of its own."""

import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.app.conftest import PATIENCE_SECONDS, StartProgram, environment, start
from tests.project.documents.test_readme import (
    ADDRESS,
    ROOT,
    Served,
    command_of,
    read_examples,
    without_what_changes,
)

__all__ = ["environment", "start"]

STEPS = read_examples(ROOT / "docs" / "first-stack.md")
SERVE = [".venv/bin/symbolon-server", "serve"]


def test_the_guide_leads_from_nothing_to_a_stack(
    start: StartProgram,
    environment: Mapping[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    monkeypatch.chdir(tmp_path)
    served = Served(ADDRESS, "")
    for step in STEPS:
        words = shlex.split(step.text)
        if words[:2] == SERVE:
            program = start(*words[1:], listen="127.0.0.1:0")
            served = Served(program.await_address(), program.ready_line)
            shown = served.shown
        else:
            shown = subprocess.run(
                command_of(step, served),
                env=dict(environment),
                stdout=subprocess.PIPE,
                text=True,
                timeout=PATIENCE_SECONDS,
                check=True,
            ).stdout
        if step.output:
            assert without_what_changes(shown) == without_what_changes(step.output)
    assert served.shown
