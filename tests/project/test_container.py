"""What the image and compose.yaml promise of their containers, read from the files."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from symbolon_server.settings.table import rows
from symbolon_server.telemetry.endpoint import READY_PATH, MetricsEndpoint, Probes

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("server", "worker", "store", "cache")


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions of the last stage, with their arguments."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    found = [line.split(maxsplit=1) for line in lines.splitlines() if line.strip()]
    pairs = [(word, " ".join(rest.split())) for word, rest in found]
    last = max(place for place, (word, _) in enumerate(pairs) if word == "FROM")
    return pairs[last:]


def arguments_of(wanted: str) -> list[str]:
    return [rest for word, rest in instructions() if word == wanted]


def environment() -> dict[str, str]:
    pairs = (pair.partition("=") for line in arguments_of("ENV") for pair in line.split())
    return {name: value for name, _, value in pairs}


def service(name: str) -> dict[str, Any]:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    found: dict[str, Any] = compose["services"][name]
    return found


def mounts(name: str) -> list[tuple[str, str, str]]:
    """Source, target and mode of each volume."""
    volumes = [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", one) for one in service(name)["volumes"]]
    parts = [(*one.split(":"), "rw")[:3] for one in volumes]
    return [(source, target, mode) for source, target, mode in parts]


@pytest.mark.promise(
    "Server and worker need neither root nor a writable root file system", group="access"
)
def test_the_image_runs_as_an_ordinary_user_known_by_number() -> None:
    (user,) = arguments_of("USER")
    numbers = re.fullmatch(r"(\d+):(\d+)", user)
    assert numbers
    made = " ".join(arguments_of("RUN"))
    assert f"--uid {numbers[1]} --gid {numbers[2]}" in made
    assert f"groupadd --system --gid {numbers[2]}" in made
    assert 0 not in {int(numbers[1]), int(numbers[2])}


def test_what_the_server_writes_lies_in_folders_of_that_user() -> None:
    (made,) = arguments_of("RUN")
    folders = set(made.partition("install -d -o symbolon -g symbolon ")[2].split())
    given = environment()
    for row in rows():
        if row.name.endswith("_dir"):
            assert given[row.variable] in folders


def test_the_image_leaves_out_everything_that_it_is_not_told_to_hold() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    assert lines[1] == "*"
    assert not any(word in {"ADD", "VOLUME"} for word, _ in instructions())
    assert not any(re.search("password|token|key", name, re.IGNORECASE) for name in environment())


def test_the_image_serves_no_public_port_that_nobody_has_allowed() -> None:
    given = environment()
    assert given["SYMBOLON_LISTEN"] == "0.0.0.0:50051"
    assert "SYMBOLON_ALLOW_INSECURE_PUBLIC" not in given


@pytest.mark.parametrize("name", ["server", "worker"])
def test_our_own_image_is_built_and_never_pulled(name: str) -> None:
    assert service(name)["build"] == "."
    assert service(name)["pull_policy"] == "build"


def test_every_base_is_of_a_version() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    bases = re.findall(r"^ARG PYTHON_IMAGE=(\S+)", text, re.MULTILINE)
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["${PYTHON_IMAGE}"] * 2
    images = [service(name)["image"] for name in ("store", "cache")]
    assert all(re.search(r":\d", name) for name in (*bases, *images))


def test_the_image_says_what_it_is() -> None:
    (labels,) = arguments_of("LABEL")
    found = dict(re.findall(r'org\.opencontainers\.image\.([\w.]+)="([^"]*)"', labels))
    assert found["licenses"] == "Apache-2.0"
    for name in ("revision", "version"):
        assert found[name] == f"${{{name.upper()}}}"
        assert f"{name.upper()}=unknown" in arguments_of("ARG")
        assert f"--build-arg {name.upper()}=" in (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["server", "worker"])
def test_a_container_serves_the_metrics_and_probes_whose_port_is_published(name: str) -> None:
    listen = service(name)["environment"]["SYMBOLON_METRICS_LISTEN"]
    inner = {port.rpartition(":")[2] for port in service(name)["ports"]}
    assert listen.rpartition(":")[2] in inner


def test_the_health_of_a_worker_is_its_readiness() -> None:
    check = service("worker")["healthcheck"]["test"]
    listen = service("worker")["environment"]["SYMBOLON_METRICS_LISTEN"]
    script = check[-1]
    assert check[:3] == ["CMD", "python", "-c"]
    (asked,) = re.findall(r"http://127\.0\.0\.1:(\d+)(/\w+)", script)
    assert asked == (listen.rpartition(":")[2], READY_PATH)
    for problem, code in (("", 0), ("the cache is gone", 1)):
        probes = Probes(why_not_ready=lambda problem=problem: problem)  # type: ignore[misc] # a default binds it
        with MetricsEndpoint("127.0.0.1", 0, probes=probes) as endpoint:
            here = script.replace(asked[0], str(endpoint.port))
            done = subprocess.run([sys.executable, "-c", here], check=False, capture_output=True)
        assert done.returncode == code


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_a_read_only_root_and_no_rights_to_gain(name: str) -> None:
    confined = service(name)
    assert confined["read_only"] is True
    assert confined["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in confined["security_opt"]
    assert not {"privileged", "cap_add", "devices", "network_mode", "pid"} & set(confined)
    assert any(place.partition(":")[0] == "/tmp" for place in confined["tmpfs"])  # noqa: S108


@pytest.mark.parametrize("name", ["store", "cache"])
def test_redis_is_no_root_from_the_start(name: str) -> None:
    assert service(name)["user"] == "valkey:valkey"


@pytest.mark.parametrize("name", SERVICES)
def test_only_volumes_of_its_own_can_be_written(name: str) -> None:
    for source, target, mode in mounts(name):
        is_of_the_host = source.startswith(("/", "."))
        assert mode == ("ro" if is_of_the_host else "rw"), target


def test_the_folders_of_compose_lie_where_the_image_has_them() -> None:
    for name in ("server", "worker"):
        targets = {target for _, target, mode in mounts(name) if mode == "rw"}
        assert targets == {environment()[f"SYMBOLON_{name}_DIR"] for name in ("SPOOL", "FETCH")}


def test_no_port_is_published_but_on_loopback() -> None:
    published = [port for name in SERVICES for port in service(name).get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)
