"""Tracing that cannot be: what a start and the check say."""

from pathlib import Path

import pytest

from symbolon_server.app import StartError
from symbolon_server.app.programs.check_command import Finding, Verdict, check
from symbolon_server.app.wiring.tracing import refuse_bad_tracing, traced
from symbolon_server.settings import read_settings
from tests.app.conftest import PATIENCE_SECONDS, StartProgram
from tests.telemetry.tracing.collector import Collector
from tests.telemetry.tracing.conftest import collector

__all__ = ["collector"]

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
ON = {"SYMBOLON_TRACING": "true"}


def finding(environment: dict[str, str]) -> Finding:
    """What `check` says of tracing."""
    (found,) = (
        one
        for one in check(read_settings({}, environment), environment)
        if one.subject == "tracing"
    )
    return found


def test_the_check_asks_the_collector(collector: Collector, environment: dict[str, str]) -> None:
    found = finding(environment | ON | {ENDPOINT: collector.url})
    assert found.verdict is Verdict.OK
    assert found.said == f"the collector at {collector.url.removeprefix('http://')} answers"
    assert collector.headers
    assert collector.spans == []


def test_a_collector_that_takes_nothing_is_a_warning(
    collector: Collector, environment: dict[str, str]
) -> None:
    collector.status = 401
    url = collector.url.replace("//", "//user:secret@")
    found = finding(environment | ON | {ENDPOINT: url})
    assert found.verdict is Verdict.WARNING
    assert "OTEL_EXPORTER_OTLP_HEADERS" in found.said
    assert "secret" not in found.said


def test_a_variable_that_cannot_be_used_is_wrong(environment: dict[str, str]) -> None:
    found = finding(environment | ON | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    assert found.verdict is Verdict.WRONG
    assert "only http/protobuf is supported" in found.said


def test_without_tracing_nothing_is_checked(environment: dict[str, str]) -> None:
    variables = environment | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    settings = read_settings({}, variables)
    assert not [one for one in check(settings, variables) if one.subject == "tracing"]


@pytest.mark.parametrize("command", ["serve", "worker", "check"])
def test_without_the_extra_programs_say_what_to_install(
    start: StartProgram, environment: dict[str, str], tmp_path: Path, command: str
) -> None:
    # Another package of this name hides the installed one.
    (tmp_path / "without/opentelemetry").mkdir(parents=True)
    (tmp_path / "without/opentelemetry/__init__.py").touch()
    environment["PYTHONPATH"] = f"{tmp_path}/without:{environment['PYTHONPATH']}"
    urls = {"store_url": "redis://127.0.0.1:1", "cache_url": "redis://127.0.0.1:1"}
    program = start(command, tracing="true", **urls)
    output, _ = program.process.communicate(timeout=PATIENCE_SECONDS)
    assert program.process.returncode == 1
    assert "install the extra 'tracing'" in output + program.log
    assert "Traceback" not in program.log


def test_opentelemetrys_own_switch_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "True")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "unknown")
    settings = read_settings({}, ON)
    refuse_bad_tracing(settings)
    with traced(settings, "service") as tracer:
        assert tracer is None
    monkeypatch.delenv("OTEL_SDK_DISABLED")
    with pytest.raises(StartError, match="OTEL_TRACES_SAMPLER"):
        refuse_bad_tracing(settings)
