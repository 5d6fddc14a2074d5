"""OpenTelemetry's own variables."""

import pytest

from symbolon_server.telemetry.tracing.variables import (
    InvalidTracingError,
    read_collector,
    read_resource,
    read_sampler,
)

OTLP = "OTEL_EXPORTER_OTLP_"


def test_without_variables_a_collector_on_this_machine_is_used() -> None:
    collector = read_collector({})
    assert collector.url == "http://localhost:4318/v1/traces"
    assert collector.name == "localhost:4318"
    assert collector.timeout_seconds == 10.0
    assert not collector.is_compressed


def test_the_endpoint_of_all_signals_gets_a_path_and_that_of_traces_does_not() -> None:
    both = {f"{OTLP}ENDPOINT": "https://all.example:4318/otlp/"}
    assert read_collector(both).url == "https://all.example:4318/otlp/v1/traces"
    both[f"{OTLP}TRACES_ENDPOINT"] = "http://traces.example/as-it-is"
    assert read_collector(both).url == "http://traces.example/as-it-is"


def test_variables_for_traces_precede_those_for_all_signals() -> None:
    collector = read_collector(
        {
            f"{OTLP}HEADERS": "api-key=1",
            f"{OTLP}TRACES_HEADERS": "Authorization=Bearer%20secret, tenant=a%2Cb",
            f"{OTLP}TIMEOUT": "3000",
            f"{OTLP}TRACES_TIMEOUT": "1500",
            f"{OTLP}COMPRESSION": "gzip",
            f"{OTLP}TRACES_CERTIFICATE": "/ca.pem",
            f"{OTLP}TRACES_PROTOCOL": "http/protobuf",
            "OTEL_TRACES_EXPORTER": "otlp",
        }
    )
    assert collector.headers == {"Authorization": "Bearer secret", "tenant": "a,b"}
    assert collector.timeout_seconds == 1.5
    assert collector.is_compressed
    assert collector.ca_file == "/ca.pem"


def test_no_secret_of_a_collector_is_shown() -> None:
    collector = read_collector(
        {
            f"{OTLP}ENDPOINT": "https://user:secret@host.example:4318/?token=secret",
            f"{OTLP}HEADERS": "key=secret",
        }
    )
    assert collector.name == "host.example:4318"
    assert "secret" not in repr(collector)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        (f"{OTLP}PROTOCOL", "grpc"),
        (f"{OTLP}TRACES_PROTOCOL", "http/json"),
        (f"{OTLP}COMPRESSION", "secret"),
        (f"{OTLP}ENDPOINT", "secret:4317"),
        (f"{OTLP}ENDPOINT", "http://[secret"),
        (f"{OTLP}TIMEOUT", "secret"),
        (f"{OTLP}TIMEOUT", "0"),
        (f"{OTLP}TIMEOUT", "1e300"),
        (f"{OTLP}HEADERS", "secret"),
        (f"{OTLP}HEADERS", "Authorization=Bearer%20secret%0A"),
        (f"{OTLP}HEADERS", "key=secret%E2%82%AC"),
        (f"{OTLP}HEADERS", "%20=secret"),
    ],
)
def test_an_unusable_value_is_refused_by_its_name_alone(name: str, value: str) -> None:
    with pytest.raises(InvalidTracingError) as refusal:
        read_collector({name: value})
    assert name.removesuffix("PROTOCOL") in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_a_process_has_its_own_name_unless_it_is_given_one() -> None:
    ours = read_resource({}, "symbolon-worker")
    assert ours["service.name"] == "symbolon-worker"
    assert ours["service.instance.id"]
    given = {"OTEL_RESOURCE_ATTRIBUTES": "service.name=crashes,deployment.environment.name=test"}
    assert read_resource(given, "x")["service.name"] == "crashes"
    assert read_resource(given, "x")["deployment.environment.name"] == "test"
    given["OTEL_SERVICE_NAME"] = "reports"
    assert read_resource(given, "x")["service.name"] == "reports"
    with pytest.raises(InvalidTracingError, match="OTEL_RESOURCE_ATTRIBUTES"):
        read_resource({"OTEL_RESOURCE_ATTRIBUTES": "service.name"}, "x")


def test_a_sampler_is_chosen_by_name() -> None:
    assert read_sampler({})(None, 1)
    assert not read_sampler({"OTEL_TRACES_SAMPLER": "always_off"})(None, 1)
    share = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5"}
    assert [read_sampler(share)(None, trace_id) for trace_id in (1, 2**64 - 1)] == [True, False]
    with pytest.raises(InvalidTracingError, match="OTEL_TRACES_SAMPLER: use always_on"):
        read_sampler({"OTEL_TRACES_SAMPLER": "jaeger_remote"})
