"""docs/reference.md has every setting, metric, event and command."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from symbolon.command_line.arguments import make_parser
from symbolon_server.settings.table import Row, rows
from symbolon_server.telemetry.metrics import all_metrics

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = (ROOT / "docs/reference.md").read_text(encoding="utf-8")


def row_of(name: str) -> str:
    """The one row of a table that is about `name`."""
    (row,) = re.findall(rf"^\| `{re.escape(name)}` \|.*$", REFERENCE, re.MULTILINE)
    return str(row)


def test_the_reference_says_what_the_code_says() -> None:
    script = ROOT / "scripts/reference.py"
    subprocess.run([sys.executable, str(script), "--check"], check=True, timeout=60)


@pytest.mark.parametrize("setting", rows(), ids=lambda row: str(row.name))
def test_every_setting_is_in_the_reference(setting: Row) -> None:
    row = row_of(setting.variable)
    assert f"| {setting.default_text} | {setting.help} |" in row


def test_every_metric_is_in_the_reference_with_its_labels() -> None:
    for metric in all_metrics():
        (family,) = metric.describe()
        suffix = "_total" if family.type == "counter" else ""
        row = row_of(f"{family.name}{suffix}")
        assert f"| {family.type} |" in row
        assert family.documentation in row
        assert all(f"`{label}`" in row for label in metric._labelnames)


@pytest.mark.parametrize("event", ["redis_lost", "ingest_ended", "call_ended"])
def test_events_of_the_log_are_in_the_reference_with_their_fields(event: str) -> None:
    (fields,) = re.findall(r"^\| `\w+` \| \w+ \| (.*?) \|", row_of(event))
    assert fields


def test_every_command_and_flag_of_the_client_is_in_the_reference() -> None:
    (commands,) = (action for action in make_parser()._actions if action.choices)
    for name, command in dict(commands.choices or {}).items():
        section = REFERENCE.partition(f"### symbolon {name}\n")[2].partition("\n### ")[0]
        assert command.description in section
        flags = {flag for action in command._actions for flag in action.option_strings}
        assert [flag for flag in flags - {"-h", "--help"} if flag not in REFERENCE] == []
