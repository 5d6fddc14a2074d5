"""The chart, rendered by helm, for an installation with everything."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from symbolon_server.settings import read_settings
from symbolon_server.settings.table import rows
from tests.fixtures.installing import INSTALL_SECONDS
from tests.project.deploy.charting import (
    CHART,
    MANIFESTS,
    ROOT,
    Chart,
    environment_of,
    helm_program,
    of_kind,
    pod_of,
    read_manifests,
)
from tests.project.deploy.kubernetes_types import KubernetesTypes, client_wheel
from tests.project.test_container import environment

pytestmark = [pytest.mark.installs, pytest.mark.timeout(2 * INSTALL_SECONDS + 60)]
"""Waits for one who installs it, and installs it then."""

OPEN = {"allowInsecurePublic": True}

EVERYTHING: dict[str, Any] = {
    "image": {"repository": "registry.example.org/symbolon", "digest": f"sha256:{'0' * 64}"},
    "imagePullSecrets": [{"name": "registry"}],
    "tls": {"existingSecret": "symbolon-tls", "clientCA": {"existingSecret": "clients"}},
    "auth": {"tokens": {"existingSecret": "symbolon-tokens"}},
    "suppliers": {
        "list": ["https://symbols.example.org#layout=ssqp", "s3://bucket/symbols"],
        "sourcesFile": '[[source]]\nlocation = "https://example.org"\n\n[[source]]\n'
        'location = "https://other.example.org"\ntoken_file = "/etc/symbolon/credentials/token"\n',
        "headers": {"existingSecret": "supplier-headers"},
        "credentials": {"existingSecret": "supplier-credentials"},
    },
    "redis": {"existingSecret": "symbolon-redis"},
    "settings": {"SYMBOLON_LOG_LEVEL": "debug", "SYMBOLON_LOG_FORMAT": "text"},
    "server": {
        "replicas": 3,
        "http": {"enabled": True, "hosts": ["symbols.example.org"], "serverName": "symbolon"},
        "settings": {"SYMBOLON_LOG_CALLS": True, "SYMBOLON_PROCESSES": "4"},
        "extraEnv": [{"name": "TZ", "value": "UTC"}],
        "extraEnvFrom": [{"secretRef": {"name": "more"}}],
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {"app.kubernetes.io/component": "server"}},
            }
        ],
        "podAnnotations": {"example.org/note": "yes"},
        "priorityClassName": "high",
    },
    "worker": {
        "autoscaling": {"enabled": True, "maxReplicas": 20},
        "fetch": {
            "volume": {
                "ephemeral": {
                    "volumeClaimTemplate": {
                        "spec": {
                            "accessModes": ["ReadWriteOnce"],
                            "resources": {"requests": {"storage": "20Gi"}},
                        }
                    }
                }
            }
        },
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "batch", "operator": "Exists"}],
        "extraVolumes": [{"name": "symbols", "persistentVolumeClaim": {"claimName": "symbols"}}],
        "extraVolumeMounts": [{"name": "symbols", "mountPath": "/symbols", "readOnly": True}],
    },
    "monitoring": {"serviceMonitor": {"enabled": True}, "rules": {"enabled": True}},
    "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/r"}},
}
"""Every part of the chart but KEDA."""


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Chart:
    return Chart(helm_program(), tmp_path_factory.mktemp("chart"))


@pytest.fixture(scope="module")
def everything(chart: Chart) -> list[Any]:
    return list(chart.render(EVERYTHING))


@pytest.fixture(scope="module")
def types() -> KubernetesTypes:
    return KubernetesTypes(client_wheel())


def test_the_manifests_are_what_the_chart_makes() -> None:
    script = [sys.executable, "scripts/manifests.py", "--check", "--helm", helm_program()]
    subprocess.run(script, cwd=ROOT, check=True, timeout=60)


def test_helm_finds_nothing_wrong(chart: Chart) -> None:
    done = chart.run("lint", "--strict", values=EVERYTHING)
    assert done.returncode == 0, done.stdout + done.stderr


def test_kubernetes_knows_all_fields_of_the_manifests(
    everything: list[Any], types: KubernetesTypes
) -> None:
    plain = read_manifests(MANIFESTS.read_text(encoding="utf-8"))
    known = [one for one in (*plain, *everything) if types.knows(one)]
    assert len(known) > len(plain)
    assert [problem for one in known for problem in types.find_problems(one)] == []


def test_what_kubernetes_does_not_know_is_found(types: KubernetesTypes) -> None:
    manifest = read_manifests(MANIFESTS.read_text(encoding="utf-8"))
    service = dict(of_kind(manifest, "Service")["symbolon"])
    service["spec"] = {"clusterip": "None", "ports": [{"name": 1}], "selector": []}
    assert types.find_problems(service) == [
        "Service.spec has no field clusterip",
        "Service.spec.ports[0] lacks port",
        "Service.spec.ports[0].name is 1, no str",
        "Service.spec.selector is no map",
    ]


@pytest.mark.parametrize("role", ["server", "worker"])
def test_settings_and_files_of_a_pod_fit_each_other(everything: list[Any], role: str) -> None:
    pod = pod_of(everything, role)
    given = {name: value or "redis://host" for name, value in environment_of(pod).items()}
    given.pop("TZ", None)
    assert set(given) <= {row.variable for row in rows()}
    settings = read_settings({}, environment() | given)
    (container,) = pod["containers"]
    folders = {one["mountPath"] for one in container["volumeMounts"]}
    files = [value for name, value in given.items() if value.startswith("/etc/symbolon/")]
    assert files or role == "worker"
    assert {str(Path(file).parent) for file in files} <= folders
    assert {one["name"] for one in container["volumeMounts"]} == {
        one["name"] for one in pod["volumes"]
    }
    assert {len(volume) for volume in pod["volumes"]} == {2}, "a name and one source"
    assert (settings.log_level, settings.log_format) == ("debug", "text")
    assert container["image"] == f"registry.example.org/symbolon@sha256:{'0' * 64}"
    assert "redis://" not in str([one for one in everything if one["kind"] != "ConfigMap"])


def test_only_workers_get_suppliers_and_their_credentials(everything: list[Any]) -> None:
    server, worker = (pod_of(everything, role) for role in ("server", "worker"))
    assert not any("SUPPLIER" in name for name in environment_of(server))
    assert environment_of(worker)["SYMBOLON_SUPPLIERS"] == (
        "https://symbols.example.org#layout=ssqp,s3://bucket/symbols,"
        "/etc/symbolon/sources/sources.toml"
    )
    sources = of_kind(everything, "ConfigMap")["symbolon-sources"]["data"]["sources.toml"]
    assert sources.strip() == EVERYTHING["suppliers"]["sourcesFile"].strip()
    assert not {"tls", "auth", "client-ca"} & {one["name"] for one in worker["volumes"]}


def test_one_settings_map_goes_before_the_other_and_both_before_defaults(
    everything: list[Any],
) -> None:
    found = environment_of(pod_of(everything, "server"))
    assert (found["SYMBOLON_PROCESSES"], found["SYMBOLON_LOG_CALLS"]) == ("4", "true")


def test_workers_are_scaled_by_an_external_metric_or_by_keda(
    chart: Chart, everything: list[Any]
) -> None:
    deployment = of_kind(everything, "Deployment")["symbolon-worker"]
    assert "replicas" not in deployment["spec"]
    scaler = of_kind(everything, "HorizontalPodAutoscaler")["symbolon-worker"]["spec"]
    assert scaler["scaleTargetRef"]["name"] == "symbolon-worker"
    (metric,) = scaler["metrics"]
    assert metric["external"]["metric"] == {"name": "symbolon_queue_length"}
    keda = {"enabled": True, "minReplicas": 0, "keda": {"enabled": True}}
    manifests = chart.render({**OPEN, "worker": {"autoscaling": keda}})
    assert not of_kind(manifests, "HorizontalPodAutoscaler")
    scaled = of_kind(manifests, "ScaledObject")["symbolon-worker"]["spec"]
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (0, 10)
    (trigger,) = scaled["triggers"]
    assert trigger["metadata"]["query"] == (
        'sum(max by (band) (symbolon_queue_length{namespace="symbols"}))'
    )


def test_prometheus_finds_the_job_that_the_alerts_watch(everything: list[Any]) -> None:
    monitor = of_kind(everything, "ServiceMonitor")["symbolon"]["spec"]
    services = of_kind(everything, "Service")
    wanted = monitor["selector"]["matchLabels"].items()
    chosen = [one for one in services.values() if wanted <= one["metadata"]["labels"].items()]
    assert [one["metadata"]["name"] for one in chosen] == ["symbolon-metrics"]
    assert chosen[0]["metadata"]["labels"][monitor["jobLabel"]] == "symbolon"
    rule = of_kind(everything, "PrometheusRule")["symbolon"]["spec"]
    ours = (ROOT / "monitoring/alerts.yaml").read_text(encoding="utf-8")
    assert rule == yaml.safe_load(ours)


def test_the_gateway_knows_the_names_of_its_service(everything: list[Any]) -> None:
    hosts = (environment_of(pod_of(everything, "server"))["SYMBOLON_HTTP_HOSTS"] or "").split(",")
    assert {"symbolon-http", "symbolon-http.symbols.svc", "symbols.example.org"} <= set(hosts)
    (port,) = of_kind(everything, "Service")["symbolon-http"]["spec"]["ports"]
    assert port["targetPort"] == "http"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "set tls.existingSecret"),
        ({"tls": {"existingSecret": "tls"}}, "auth.tokens.existingSecret"),
        ({**OPEN, "sever": {}}, "sever"),
        ({**OPEN, "settings": {"THREADS": "8"}}, "THREADS"),
        ({**OPEN, "settings": {"SYMBOLON_THREADS": 8}}, "SYMBOLON_THREADS"),
        ({**OPEN, "suppliers": {"existingSecret": "s", "list": ["/symbols"]}}, "existingSecret"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(
    chart: Chart, values: dict[str, Any], words: str
) -> None:
    assert words in chart.refusal(values)


def test_the_chart_has_the_version_of_the_software() -> None:
    described = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{described["appVersion"]}"\n' in project
