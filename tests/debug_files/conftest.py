"""A folder in which debug files are made."""

from pathlib import Path

import pytest

from tests.debug_files.compiled_files import Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)
