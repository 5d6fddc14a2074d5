"""deploy/manifests/symbolon.yaml fits the image and the settings."""

from collections.abc import Iterator
from typing import Any

import pytest

from symbolon_server.settings import Settings, read_settings
from symbolon_server.settings.table import rows
from symbolon_server.telemetry.endpoint import LIVE_PATH, READY_PATH
from tests.project.deploy.charting import (
    MANIFESTS,
    ROOT,
    Manifest,
    environment_of,
    of_kind,
    pod_of,
    read_manifests,
)
from tests.project.test_container import arguments_of, environment

MADE = read_manifests(MANIFESTS.read_text(encoding="utf-8"))
ROLES = ("server", "worker")


def settings_of(pod: Manifest) -> Settings:
    """The settings of a Pod in its image; those from Secrets are any that fit."""
    given = {name: value or "redis://host" for name, value in environment_of(pod).items()}
    assert set(given) <= {row.variable for row in rows()}
    return read_settings({}, environment() | given)


def selecting() -> Iterator[tuple[str, dict[str, str]]]:
    """What selects Pods by their labels, with its name."""
    for one in MADE:
        selector = one.get("spec", {}).get("selector") or one.get("spec", {}).get("podSelector")
        if selector:
            yield f"{one['kind']} {one['metadata']['name']}", selector.get("matchLabels", selector)


def test_the_program_of_each_role_is_started() -> None:
    for role, command in (("server", "serve"), ("worker", "worker")):
        (container,) = pod_of(MADE, role)["containers"]
        assert container["args"] == [command]


@pytest.mark.parametrize("role", ROLES)
def test_a_pod_has_time_to_finish_what_it_does(role: str) -> None:
    pod = pod_of(MADE, role)
    settings = settings_of(pod)
    times = {"server": settings.shutdown_grace_seconds, "worker": settings.worker_stop_seconds}
    assert pod["terminationGracePeriodSeconds"] >= times[role] + 10


@pytest.mark.parametrize("role", ROLES)
def test_a_pod_is_confined_and_can_write_its_folders(role: str) -> None:
    pod = pod_of(MADE, role)
    (container,) = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert pod["automountServiceAccountToken"] is False
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True
    (user,) = arguments_of("USER")
    assert f"{context['runAsUser']}:{context['runAsGroup']}" == user
    mounts = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
    settings = settings_of(pod)
    needed = {settings.spool_dir: settings.spool_bytes} if settings.spool_bytes else {}
    if role == "worker":
        assert settings.fetch_dir is not None
        needed[settings.fetch_dir] = settings.max_fetched_bytes + settings.max_unpacked_bytes
    assert set(mounts) == {"/tmp", *map(str, needed)}  # noqa: S108
    volumes = {one["name"]: one["emptyDir"] for one in pod["volumes"]}
    for folder, least in needed.items():
        limit = volumes[mounts[str(folder)]]["sizeLimit"]
        assert int(limit.removesuffix("Gi")) << 30 > least


@pytest.mark.parametrize("role", ROLES)
def test_probes_are_answered_where_metrics_are(role: str) -> None:
    pod = pod_of(MADE, role)
    (container,) = pod["containers"]
    for probe, path in (
        ("startupProbe", LIVE_PATH),
        ("livenessProbe", LIVE_PATH),
        ("readinessProbe", READY_PATH),
    ):
        assert container[probe]["httpGet"] == {"path": path, "port": "metrics"}
    listen = settings_of(pod).metrics_listen
    assert listen is not None
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    assert ports["metrics"] == listen.port
    assert role == "worker" or ports["grpc"] == settings_of(pod).listen.port


def test_clients_find_all_servers_by_one_name() -> None:
    service = of_kind(MADE, "Service")["symbolon"]["spec"]
    assert service["clusterIP"] == "None"
    assert [one["name"] for one in service["ports"]] == ["grpc"]


def test_every_selector_has_pods_and_every_port_is_one_of_theirs() -> None:
    templates = [
        one["spec"]["template"] for one in MADE if one["kind"] in {"Deployment", "StatefulSet"}
    ]
    for name, labels in selecting():
        chosen = [one for one in templates if labels.items() <= one["metadata"]["labels"].items()]
        assert chosen, name
    for service in of_kind(MADE, "Service").values():
        labels = service["spec"]["selector"]
        for one in templates:
            if labels.items() <= one["metadata"]["labels"].items():
                ports = {port["name"] for port in one["spec"]["containers"][0]["ports"]}
                assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def test_the_redis_servers_are_configured_as_ours_are() -> None:
    data = of_kind(MADE, "ConfigMap")["symbolon-redis"]["data"]
    for name, text in data.items():
        ours = (ROOT / "redis" / name).read_text(encoding="utf-8")
        assert text.split() == ours.split()
    for role in ("store", "cache"):
        (url,) = {
            environment_of(pod_of(MADE, one))[f"SYMBOLON_{role.upper()}_URL"] for one in ROLES
        }
        (port,) = of_kind(MADE, "Service")[f"symbolon-{role}"]["spec"]["ports"]
        assert url == f"redis://symbolon-{role}:{port['port']}"


def test_a_pod_can_be_evicted_from_its_node() -> None:
    budgets: dict[str, Any] = dict(of_kind(MADE, "PodDisruptionBudget"))
    assert {budget["spec"]["maxUnavailable"] for budget in budgets.values()} == {1}
    assert set(budgets) == {f"symbolon-{role}" for role in ROLES}
