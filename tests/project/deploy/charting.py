"""Renders the chart with helm: the one on the PATH, or one that Go builds if that is asked for."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.others.installed import NOT_OPTIMIZED, installed, run

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "deploy/helm/symbolon"
MANIFESTS = ROOT / "deploy/manifests/symbolon.yaml"
HELM = "helm.sh/helm/v3/cmd/helm@v3.22.0"
BUILD_VARIABLE = "SYMBOLON_BUILD_HELM"
KUBERNETES = ("--kube-version", "1.27.0")

Manifest = Mapping[str, Any]


def helm_program() -> str:
    """Return helm, or skip the test."""
    if there := shutil.which("helm"):
        return there
    if BUILD_VARIABLE not in os.environ:
        pytest.skip(f"helm is not on the PATH; {BUILD_VARIABLE}=1 builds it with Go, in minutes")

    def install(folder: Path) -> None:
        run(["go", "install", NOT_OPTIMIZED, HELM], folder, {"GOBIN": str(folder)})

    return str(installed("helm", HELM, install) / "helm")


class Chart:
    """The chart, rendered with values."""

    def __init__(self, helm: str, folder: Path) -> None:
        self._helm = helm
        self._values = folder / "values.yaml"

    def run(
        self, *command: str, values: Manifest | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command of helm on the chart with values."""
        self._values.write_text(yaml.safe_dump(values or {}), encoding="utf-8")
        line = [self._helm, *command, str(CHART), "--values", str(self._values), *KUBERNETES]
        return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)

    def render(self, values: Manifest) -> list[Manifest]:
        """Return all manifests for these values."""
        done = self.run("template", "symbolon", "--namespace", "symbols", values=values)
        assert done.returncode == 0, done.stderr
        return read_manifests(done.stdout)

    def refusal(self, values: Manifest) -> str:
        """Return why the chart refuses these values."""
        done = self.run("template", "symbolon", values=values)
        assert done.returncode != 0, "not refused"
        return done.stderr


def read_manifests(text: str) -> list[Manifest]:
    """Return the documents of a text, without empty ones."""
    return [one for one in yaml.safe_load_all(text) if one]


def of_kind(manifests: Sequence[Manifest], kind: str) -> dict[str, Manifest]:
    """Return the manifests of a kind by name."""
    return {one["metadata"]["name"]: one for one in manifests if one["kind"] == kind}


def pod_of(manifests: Sequence[Manifest], role: str) -> dict[str, Any]:
    """Return the Pod of the Deployment `symbolon-ROLE`."""
    deployment = of_kind(manifests, "Deployment")[f"symbolon-{role}"]
    pod: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return pod


def environment_of(pod: Manifest) -> dict[str, str | None]:
    """Return the variables of a Pod's container; None for values from elsewhere."""
    (container,) = pod["containers"]
    names = [one["name"] for one in container["env"]]
    assert len(set(names)) == len(names), "a variable is set twice"
    return {one["name"]: one.get("value") for one in container["env"]}
