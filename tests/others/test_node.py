"""The guide's example for Node.js, against a real server."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.fixtures.installing import INSTALL_SECONDS
from tests.others import installed
from tests.others.clients import PATIENCE_SECONDS
from tests.others.conftest import Server

pytestmark = [pytest.mark.installs, pytest.mark.timeout(INSTALL_SECONDS + 60)]


def test_the_example_of_the_guide_prints_what_the_guide_shows(
    plain: Server, tmp_path: Path
) -> None:
    program = tmp_path / "crashes.js"
    program.write_text(installed.guide_block("js"), encoding="utf-8")
    (tmp_path / "node_modules").symlink_to(installed.node_folder() / "node_modules")
    done = subprocess.run(
        ["node", program, plain.address],
        env={**os.environ, "PROTOS": str(installed.PROTOS)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.stdout == installed.guide_block("text")
