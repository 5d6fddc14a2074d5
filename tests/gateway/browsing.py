"""Pages in a real browser."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.app.conftest import PATIENCE_SECONDS

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=20000",
    "--dump-dom",
]
"""With the virtual time budget, the page is dumped once nothing is pending."""

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium on PATH: it is the Debian package chromium"
)


def open_page(url: str, profile: Path) -> str:
    """Return a page as HTML once its scripts are done."""
    assert CHROMIUM is not None
    shown = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", url],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    return shown.stdout
