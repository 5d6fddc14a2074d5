"""The dashboard and the alert rules name only what the server tells."""

import json
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import grpc
import pytest
from prometheus_client.metrics import MetricWrapperBase

from symbolon_server.ingest.queueing.jobs import Band
from symbolon_server.ingest.working.putting import PageAge
from symbolon_server.ingest.working.results import IngestOutcome
from symbolon_server.suppliers.chain import AttemptOutcome
from symbolon_server.symbolication.memory.queries import FrameOutcome
from symbolon_server.telemetry.metrics import all_metrics
from tests.project.alerting import rules

MONITORING = Path(__file__).resolve().parents[2] / "monitoring"

SELECTOR = re.compile(r"\b(symbolon_\w+|up)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)(=~|=)"([^"]*)"')
GROUPING = re.compile(r"\bby \(([^)]*)\)")

ADDED_BY_PROMETHEUS = {"instance", "job", "le"}
UP = "up"
"""The one series that Prometheus makes itself, of each target."""

SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}


def samples() -> Mapping[str, MetricWrapperBase]:
    """Every name that Prometheus gets, with its metric."""
    families = [(metric, family) for metric in all_metrics() for family in metric.describe()]
    return {
        family.name + suffix: metric
        for metric, family in families
        for suffix in SUFFIXES[family.type]
    }


def lower(outcomes: type[Enum]) -> set[str]:
    return {outcome.name.lower() for outcome in outcomes}


VALUES = {
    ("symbolon_calls_total", "code"): {code.name for code in grpc.StatusCode},
    ("symbolon_stream_answers_total", "code"): {code.name for code in grpc.StatusCode},
    ("symbolon_frames_total", "outcome"): {"remembered", *lower(FrameOutcome)},
    ("symbolon_ingests_total", "outcome"): {outcome.value for outcome in IngestOutcome},
    ("symbolon_lookups_total", "result"): {"hit", "miss"},
    ("symbolon_pages_put_total", "age"): {age.value for age in PageAge},
    ("symbolon_spans_total", "result"): {"sent", "lost"},
    ("symbolon_queue_length", "band"): {band.label for band in Band},
    ("symbolon_redis_errors_total", "server"): {"store", "cache"},
    ("symbolon_supplier_fetches_total", "outcome"): {outcome.value for outcome in AttemptOutcome},
}
"""What labels can be, where they are of a closed set."""


def dashboard() -> dict[str, Any]:
    text = (MONITORING / "dashboard.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def expressions() -> Iterator[tuple[str, str]]:
    """Every expression with the panel or the alert that it is of."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for rule in rules():
        yield rule["alert"], rule["expr"]


EXPRESSIONS = [
    pytest.param(expression, id=f"{name} {number}")
    for number, (name, expression) in enumerate(expressions())
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_names_only_metrics_and_labels_that_exist(expression: str) -> None:
    known = samples()
    labels = set(ADDED_BY_PROMETHEUS)
    selectors = SELECTOR.findall(expression)
    assert selectors
    for name, matchers in selectors:
        assert name in known or name == UP
        own = () if name == UP else known[name]._labelnames
        its_labels = set(own) | ADDED_BY_PROMETHEUS
        labels |= its_labels
        for label, kind, text in MATCHER.findall(matchers):
            assert label in its_labels
            if (name, label) in VALUES:
                assert set(text.split("|") if kind == "=~" else [text]) <= VALUES[name, label]
    for grouping in GROUPING.findall(expression):
        assert set(re.split(r",\s*", grouping)) <= labels


def test_every_alert_says_what_is_wrong_what_helps_and_how_bad_it_is() -> None:
    for rule in rules():
        assert re.fullmatch(r"Symbolon[A-Za-z]+", rule["alert"])
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"].endswith(".")
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)


def test_an_alert_tells_only_labels_that_its_expression_keeps() -> None:
    for rule in rules():
        told = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
        grouped = re.match(r"sum by \(([^)]*)\)", rule["expr"])
        kept = set(re.split(r",\s*", grouped[1]) if grouped else ())
        if rule["expr"].startswith(UP):
            kept = {"instance", "job"}
        assert told <= kept


def test_the_job_whose_targets_are_watched_is_the_one_of_the_readme() -> None:
    readme = (MONITORING / "README.md").read_text(encoding="utf-8")
    (named,) = re.findall(r"job_name: (\S+)", readme)
    watched = [re.findall(r'up\{job="(\w+)"\}', rule["expr"]) for rule in rules()]
    assert [names for names in watched if names] == [[named]]


def test_the_dashboard_uses_only_variables_that_it_has() -> None:
    found = dashboard()
    declared = {variable["name"] for variable in found["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)\}?", json.dumps(found["panels"])))
    assert used - {"__rate_interval"} == declared


def test_panels_have_places_of_their_own() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells
