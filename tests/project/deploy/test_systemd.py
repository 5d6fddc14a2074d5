"""The systemd units fit the settings, and are sandboxed."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from symbolon_server.settings import Settings, read_settings
from symbolon_server.settings.table import rows

FOLDER = Path(__file__).resolve().parents[3] / "deploy/systemd"
UNITS = ("symbolon-server.service", "symbolon-worker@.service")
PROGRAM = "/opt/symbolon/bin/symbolon-server"
MOST_EXPOSURE = 20
"""Of 100, as `systemd-analyze security` counts."""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on the PATH"
)


def lines_of(name: str) -> list[tuple[str, str]]:
    """Each key with its value; some keys occur several times."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    return re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE)


def values(name: str, key: str) -> list[str]:
    return [value for own, value in lines_of(name) if own == key]


def settings_of(unit: str) -> Settings:
    """The settings of a unit with the example of its environment file."""
    text = (FOLDER / "symbolon.env").read_text(encoding="utf-8").replace("\n#SYMB", "\nSYMB")
    pairs = re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE)
    pairs += [tuple(pair.replace("%i", "9").split("=", 1)) for pair in values(unit, "Environment")]
    given = dict(pairs)
    assert set(given) <= {row.variable for row in rows()}
    return read_settings({}, given)


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_lets_its_program_write_where_its_settings_say(unit: str) -> None:
    settings = settings_of(unit)
    (cache,) = values(unit, "CacheDirectory")
    folders = {Path("/var/cache") / name for name in cache.split()}
    folders |= {Path("/var/lib") / name for name in values(unit, "StateDirectory")}
    assert {settings.spool_dir, settings.fetch_dir} <= folders
    assert unit != UNITS[0] or settings.data_dir in folders
    assert values(unit, "ProtectSystem") == ["strict"]


def test_a_unit_gives_its_program_time_to_stop() -> None:
    server, worker = map(settings_of, UNITS)
    own = worker.worker_stop_seconds + 5
    assert float(*values(UNITS[1], "TimeoutStopSec")) > own
    # One after the other: the gateway, the calls, a local worker.
    assert (
        float(*values(UNITS[0], "TimeoutStopSec")) > 2 * (server.shutdown_grace_seconds + 5) + own
    )


def test_server_and_worker_are_confined_alike() -> None:
    sandboxes = [
        [
            line
            for line in lines_of(unit)
            if re.match("Cap|Dev|Key|Lock|Mem|No|Pri|Pro|Re|Sy", line[0])
        ]
        for unit in UNITS
    ]
    assert len(sandboxes[0]) > MOST_EXPOSURE
    assert sandboxes[0] == sandboxes[1]


@pytest.fixture
def units(tmp_path: Path) -> list[str]:
    """The units as they are installed, of a program that is there."""
    for name in UNITS:
        text = (FOLDER / name).read_text(encoding="utf-8")
        assert text.count(PROGRAM) == 1
        installed = tmp_path / name.replace("@", "@1")
        installed.write_text(text.replace(PROGRAM, "/bin/true"), encoding="utf-8")
    return sorted(map(str, tmp_path.iterdir()))


@needs_systemd
def test_systemd_reads_the_units_without_a_warning(units: list[str]) -> None:
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *units]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_systemd_finds_little_exposed(units: list[str]) -> None:
    limit = f"--threshold={MOST_EXPOSURE}"
    command = ["systemd-analyze", "security", "--offline=true", limit, *units]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
