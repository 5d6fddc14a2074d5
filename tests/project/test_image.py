"""The container image, built from the Dockerfile and started, without a daemon or a registry.

buildah builds with chroot isolation, on a base that debootstrap makes in the place of the official
one. The tests are slow: `make image-test` runs them.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from symbolon import Client, Frame, Module, ModuleOutcome
from tests.app.conftest import SAMPLE

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = "ca-certificates,python3-dev,python3-venv"
"""What the official base has beside Debian's minimum: headers of Python, for one."""

pytestmark = [
    pytest.mark.image,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        os.geteuid() != 0 or not (shutil.which("buildah") and shutil.which("debootstrap")),
        reason="needs root, buildah and debootstrap",
    ),
]


class Buildah:
    """buildah with containers and images in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._storage = folder / "storage.conf"
        self._storage.write_text(
            "[storage]\n"
            'driver = "overlay"\n'
            f'graphroot = "{folder}/graph"\n'
            f'runroot = "{folder}/run"\n'
        )

    def command(self, *arguments: str) -> list[str]:
        return ["env", f"CONTAINERS_STORAGE_CONF={self._storage}", "buildah", *arguments]

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(
            self.command(*arguments), check=False, capture_output=True, text=True, cwd=ROOT
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout.strip()


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buildah]:
    """buildah, with the image `symbolon` built."""
    folder = tmp_path_factory.mktemp("image")
    base = folder / "base"
    run = subprocess.run(
        ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(base)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-4000:]
    (base / "usr/bin/python").symlink_to("python3")
    buildah = Buildah(folder)
    try:
        _build(buildah, base)
        yield buildah
    finally:  # a failed build, too, leaves mounts below the folder
        buildah("rm", "--all")
        buildah("rmi", "--all", "--force")


def _build(buildah: Buildah, base: Path) -> None:
    """Build `symbolon` on the files in `base`, which are removed once they are an image."""
    container = buildah("from", "scratch")
    buildah("copy", "--quiet", container, str(base), "/")
    buildah("commit", "--quiet", "--rm", container, "localhost/base")
    shutil.rmtree(base)
    buildah(
        *("build", "--isolation=chroot", "--format=docker", "--tag=symbolon"),
        *("--build-arg=PYTHON_IMAGE=localhost/base", "--build-arg=VERSION=1.2.3"),
        *_trusted_authorities(),
        ".",
    )


def _trusted_authorities() -> list[str]:
    """Arguments that let pip in the container trust whom pip trusts here."""
    bundle = os.environ.get("PIP_CERT")
    return [] if bundle is None else [f"--volume={bundle}:{bundle}:ro", f"--env=PIP_CERT={bundle}"]


@contextmanager
def started(buildah: Buildah, *options: str) -> Iterator[str]:
    """Run the image as its labels and commands say; yield the line that says it is ready."""
    config = inspect(buildah)
    container = buildah("from", "--pull-never", "symbolon")
    command = buildah.command("run", "--isolation=chroot", *options, container, "--")
    with subprocess.Popen(
        [*command, *config["Entrypoint"], *config["Cmd"]],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            seen = ""
            for line in process.stdout:
                seen += line
                if "is ready on" in line:
                    break
            else:
                pytest.fail(seen)
            yield line
        finally:
            process.terminate()


def inspect(buildah: Buildah) -> Any:
    return json.loads(buildah("inspect", "--type=image", "symbolon"))["Docker"]["config"]


def test_the_image_answers_with_compiled_modules_as_an_ordinary_user(buildah: Buildah) -> None:
    config = inspect(buildah)
    assert config["User"] == "10001:10001"
    assert config["Healthcheck"]["Test"][1].startswith("symbolon health")
    assert config["Labels"]["org.opencontainers.image.version"] == "1.2.3"
    options = (
        "--env=SYMBOLON_LISTEN=127.0.0.1:0",
        "--env=SYMBOLON_SUPPLIERS=/symbols",
        f"--volume={SAMPLE / 'symbols'}:/symbols:ro",
    )
    with started(buildah, *options) as line:
        assert "compiled modules" in line
        with Client(line.split()[4]) as client:
            module = Module("orchard", "C3D8E3C7B6594DF1DFCA907993B477250")
            answer = client.symbolicate([module], [[Frame(0, 4272)]])
    assert [module.outcome for module in answer.modules] == [ModuleOutcome.FOUND]
    assert answer.stacks[0][0].function


@pytest.mark.parametrize("program", ["symbolon", "symbolon-server"])
def test_both_programs_run_in_the_image(buildah: Buildah, program: str) -> None:
    container = buildah("from", "--pull-never", "symbolon")
    shown = buildah("run", "--isolation=chroot", container, "--", program, "--version")
    assert shown.startswith(program)
