"""The server with a root that nobody can write to, as in its container."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from symbolon import Client, Frame, Module
from tests.app.conftest import PATIENCE_SECONDS, ROOT, SAMPLE

ORCHARD = Module("orchard", "C3D8E3C7B6594DF1DFCA907993B477250")

CONFINE = """
set -e
root=$1; written=$2; shift 2
mount --rbind / "$root"
mount -o remount,bind,ro "$root"
mount --bind "$written" "$root$written"
exec chroot "$root" "$@"
"""
"""Mounts are seen by this program alone, and go with it."""

WRITE_EVERYWHERE = """
import sys
from pathlib import Path
for folder in sys.argv[1:]:
    try:
        (Path(folder) / "written").write_text("x")
        print("yes")
    except OSError:
        print("no")
"""


@pytest.fixture
def written() -> Iterator[Path]:
    """The folder that can be written to; its name is short, because sockets are made in it."""
    with tempfile.TemporaryDirectory(prefix="w-") as folder:
        yield Path(folder)


@pytest.fixture
def confined(tmp_path: Path, written: Path) -> list[str]:
    """What runs a program that can write to that folder alone."""
    root = tmp_path / "root"
    root.mkdir()
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", CONFINE, "sh"]
    command += [str(root), str(written)]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*command, "true"], check=False).returncode
    ):
        pytest.skip("this machine gives nobody mounts of their own")
    return command


@pytest.fixture
def environment(written: Path) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("SYMBOLON_")}
    return ours | {
        "HOME": "/nowhere",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "client"), str(ROOT / "server")]),
        "SYMBOLON_DATA_DIR": str(written / "data"),
        "SYMBOLON_LISTEN": "127.0.0.1:0",
        "SYMBOLON_METRICS_LISTEN": "127.0.0.1:0",
        "SYMBOLON_PROCESSES": "2",
        "SYMBOLON_SPOOL_DIR": str(written / "spool"),
        "SYMBOLON_SUPPLIERS": str(SAMPLE / "symbols"),
        "TMPDIR": str(written),
    }


@pytest.fixture
def address(confined: list[str], environment: dict[str, str]) -> Iterator[str]:
    """Where such a server answers."""
    with subprocess.Popen(
        [*confined, sys.executable, "-m", "symbolon_server", "serve"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready.startswith("symbolon-server is ready on ")
        yield ready.split()[4]
        process.terminate()
        assert process.wait(PATIENCE_SECONDS) == 0


def test_the_root_is_read_only_in_these_tests(
    confined: list[str], environment: dict[str, str], tmp_path: Path, written: Path
) -> None:
    folders = [str(ROOT), str(tmp_path), "/", str(written)]
    said = subprocess.run(
        [*confined, sys.executable, "-c", WRITE_EVERYWHERE, *folders],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert said.stdout.split() == ["no", "no", "no", "yes"]


@pytest.mark.promise("Server and worker need neither root nor a writable root file system")
def test_server_worker_and_redis_write_only_where_they_are_told_to(address: str) -> None:
    with Client(address, timeout=PATIENCE_SECONDS) as client:
        answer = client.symbolicate([ORCHARD], [[Frame(0, 4624)]])
    assert answer.stacks[0][0].function == "orchard::grade(orchard::Crate const&)"
