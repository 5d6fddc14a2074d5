"""The manifests of docs/kubernetes.md fit the image and the settings."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from symbolon_server.settings import Settings, read_settings
from symbolon_server.settings.table import rows
from tests.project.test_container import arguments_of, environment

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs/kubernetes.md").read_text(encoding="utf-8")
MANIFESTS: list[dict[str, Any]] = [
    manifest
    for block in re.findall(r"^```yaml\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
    for manifest in yaml.safe_load_all(block)
]
PODS = [one["spec"]["template"]["spec"] for one in MANIFESTS if one["kind"] == "Deployment"]
ROLES = [pytest.param(pod, id=pod["containers"][0]["name"]) for pod in PODS]


def settings_of(pod: dict[str, Any]) -> Settings:
    """The settings that a pod's container has; those from secrets are any that fit."""
    given = {one["name"]: one.get("value", "redis://host") for one in pod["containers"][0]["env"]}
    assert set(given) <= {row.variable for row in rows()}
    return read_settings({}, environment() | given)


def test_there_is_a_deployment_for_each_role() -> None:
    assert [pod["containers"][0]["args"] for pod in PODS] == [["serve"], ["worker"]]


@pytest.mark.parametrize("pod", ROLES)
def test_a_pod_has_time_to_finish_what_it_does(pod: dict[str, Any]) -> None:
    settings = settings_of(pod)
    longest = max(settings.shutdown_grace_seconds, settings.worker_stop_seconds)
    assert pod["terminationGracePeriodSeconds"] > longest


@pytest.mark.parametrize("pod", ROLES)
def test_a_pod_is_confined_and_can_write_its_folders(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    (user,) = arguments_of("USER")
    assert str(pod["securityContext"]["fsGroup"]) == user.partition(":")[2]
    mounts = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
    settings = settings_of(pod)
    needed = {settings.spool_dir: settings.spool_bytes}
    if container["args"] == ["worker"]:
        assert settings.fetch_dir is not None
        needed[settings.fetch_dir] = settings.max_fetched_bytes + settings.max_unpacked_bytes
    assert set(mounts) == {"/tmp", *map(str, needed)}  # noqa: S108
    volumes = {one["name"]: one["emptyDir"] for one in pod["volumes"]}
    for folder, least in needed.items():
        limit = volumes[mounts[str(folder)]]["sizeLimit"]
        assert int(limit.removesuffix("Gi")) << 30 > least


def test_probes_and_service_use_the_port_of_the_image() -> None:
    port = int(environment()["SYMBOLON_LISTEN"].rpartition(":")[2])
    (container,) = PODS[0]["containers"]
    assert container["readinessProbe"]["grpc"]["port"] == port
    assert container["startupProbe"]["grpc"]["port"] == port
    (service,) = (one for one in MANIFESTS if one["kind"] == "Service")
    assert [one["port"] for one in service["spec"]["ports"]] == [port]
