"""Alert rules in Prometheus' own test program, which is told how series went on."""

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ALERTS = Path(__file__).resolve().parents[2] / "monitoring" / "alerts.yaml"

PROMTOOL = shutil.which("promtool")

needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="no promtool on PATH: Debian has it in the package prometheus"
)


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


@dataclass(frozen=True, slots=True)
class History:
    """How series go on, a value a minute, and which alerts that raises."""

    series: Mapping[str, str]
    """Each with its values as promtool writes them: `1x20` is 1 and 20 more of it."""

    minute: int
    """When the alerts are looked at."""

    raised: Mapping[str, Sequence[Mapping[str, str]]]
    """The labels of each alert that is up, but for its severity, by its name; the alerts that are
    not named here are not looked at."""


def find_differences(histories: Sequence[History], folder: Path) -> str:
    """Return what promtool says where other alerts are raised than expected; empty: nowhere."""
    assert PROMTOOL is not None
    file = folder / "test.yaml"
    tests = [_write(history) for history in histories]
    file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "tests": tests}))
    done = subprocess.run(
        [PROMTOOL, "test", "rules", str(file)], capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _write(history: History) -> dict[str, Any]:
    series = [{"series": name, "values": values} for name, values in history.series.items()]
    asked = [
        {
            "eval_time": f"{history.minute}m",
            "alertname": alert,
            "exp_alerts": [_expected(alert, labels) for labels in raised],
        }
        for alert, raised in history.raised.items()
    ]
    return {"interval": "1m", "input_series": series, "alert_rule_test": asked}


def _expected(alert: str, labels: Mapping[str, str]) -> dict[str, Any]:
    (rule,) = (rule for rule in rules() if rule["alert"] == alert)

    def tell(text: str) -> str:
        return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels[found[1]], text)

    told = {name: tell(text) for name, text in rule["annotations"].items()}
    return {"exp_labels": {**rule["labels"], **labels}, "exp_annotations": told}
