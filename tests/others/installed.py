"""Third-party clients, installed once into .cache/others and kept there."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.fixtures.installing import CACHE, INSTALL_SECONDS, only_one

HERE = Path(__file__).resolve().parent
NODE = HERE / "node"
PROFILER = HERE / "profiler"
GO = HERE / "go"
PROTOS = HERE.parents[1] / "protos"
GUIDE = HERE.parents[1] / "docs/other-languages.md"
REQUIREMENTS = HERE / "requirements.txt"
SIGNATURES = HERE / "requirements-signatures.txt"
NOT_OPTIMIZED = "-gcflags=all=-N -l"
"""These flags save a third of the build time of a program that is run some dozens of times."""

GO_MODULES = ("go.mod", "go.sum")
GO_PACKAGES = (
    "google.golang.org/genproto/googleapis/rpc/errdetails",
    "google.golang.org/grpc/credentials/insecure",
    "google.golang.org/grpc/health/grpc_health_v1",
    "google.golang.org/protobuf/encoding/protojson",
)
GRPC = "google.golang.org/grpc"
NO_C = {"CGO_ENABLED": "0"}
"""The resolver of Go itself does, and needs no C compiler."""


def node_folder() -> Path:
    """Return the folder whose node_modules has the packages of node/package-lock.json."""
    return _node_folder(NODE)


def profiler_program() -> str:
    """Return the program of @firefox-devtools/profiler-cli, for node."""
    packages = _node_folder(PROFILER) / "node_modules"
    return str(packages / "@firefox-devtools/profiler-cli/dist/profiler-cli.js")


def _node_folder(wanted: Path) -> Path:
    node, npm = found("node"), found("npm")

    def install(folder: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(wanted / name, folder)
        run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)

    assert node
    lock = (wanted / "package-lock.json").read_text(encoding="utf-8")
    return installed(wanted.name, lock, install)


def grpclib_folder() -> Path:
    """Return a folder for PYTHONPATH with grpclib, in addition to our own packages."""
    return _python_folder("grpclib", REQUIREMENTS)


def signatures_folder() -> Path:
    """Return a folder for PYTHONPATH with fx-crash-sig and siggen."""
    return _python_folder("signatures", SIGNATURES)


def _python_folder(name: str, requirements: Path) -> Path:
    def install(folder: Path) -> None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        run([*pip, "--target", str(folder), "--requirement", str(requirements)], folder)

    return installed(name, requirements.read_text(encoding="utf-8") + sys.version, install)


def grpcurl_program() -> str:
    """Return the grpcurl on the PATH, else one built with Go."""
    if there := shutil.which("grpcurl"):
        return there
    if shutil.which("go") is None:
        pytest.skip("neither grpcurl nor go, which builds it, is on the PATH")
    return str(go_tools() / "grpcurl")


def go_tools() -> Path:
    """Return the folder of grpcurl and the Go code generators, in the versions of go/go.mod.

    The packages that such code needs are compiled, too, so that no registry is asked later.
    """
    go = found("go")

    def install(folder: Path) -> None:
        _prepare_module(go, folder)
        run([go, "install", NOT_OPTIMIZED, "tool"], folder, {"GOBIN": str(folder), **NO_C})
        run([go, "build", NOT_OPTIMIZED, *GO_PACKAGES], folder, NO_C)

    wanted = [(GO / name).read_text(encoding="utf-8") for name in GO_MODULES]
    return installed("go-tools", "\n".join([*wanted, *GO_PACKAGES]), install)


def _prepare_module(go: str, folder: Path) -> None:
    """Put go/go.mod into a folder, with gRPC beside it, without xDS.

    grpcurl imports that for targets `xds:///...` only; it is half of what there is to compile.
    """
    for name in GO_MODULES:
        shutil.copy(GO / name, folder)
    facts = run([go, "mod", "download", "-json", GRPC], folder)
    grpc = folder / "grpc"
    shutil.copytree(json.loads(facts)["Dir"], grpc, copy_function=shutil.copyfile)
    for path in (grpc, *grpc.rglob("*/")):
        path.chmod(0o755)  # Go's own copy is read-only
    for path in (grpc / "xds").glob("*.go"):
        path.unlink()
    (grpc / "xds/xds.go").write_text("package xds\n", encoding="utf-8")
    run([go, "mod", "edit", f"-replace={GRPC}=./grpc"], folder)


def go_programs() -> Path:
    """Return the folder of our program `client` and of the guide's example, `crashes`.

    Made of the protos by protos/buf.gen.yaml; unlike what is installed, that may not fail.
    """
    go, tools = found("go"), go_tools()
    sources = [*GO.rglob("*.*"), *PROTOS.rglob("*.proto"), PROTOS / "buf.gen.yaml", GUIDE]

    def build(folder: Path) -> None:
        shutil.copytree(GO, folder, dirs_exist_ok=True)
        _prepare_module(go, folder)
        (folder / "main.go").write_text(guide_block("go"), encoding="utf-8")
        path = os.pathsep.join([str(tools), os.environ["PATH"]])
        environment = {**os.environ, "PATH": path, "GOBIN": str(folder / "bin")} | NO_C
        template = ["--template", str(PROTOS / "buf.gen.yaml")]
        for command in (
            [buf_program(), "generate", str(PROTOS), *template],
            [go, "install", NOT_OPTIMIZED, ".", "./client"],
        ):
            subprocess.run(command, cwd=folder, env=environment, check=True)

    wanted = "\n".join(path.read_text(encoding="utf-8") for path in sorted(sources))
    return installed("go-programs", wanted, build) / "bin"


def guide_block(language: str) -> str:
    """Return the only block of this language in docs/other-languages.md."""
    blocks = re.compile(rf"^```{language}\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    (text,) = blocks.findall(GUIDE.read_text(encoding="utf-8"))
    return str(text)


def buf_program() -> str:
    """Return the buf beside our Python, else the one on the PATH."""
    beside = Path(sys.executable).parent / "buf"
    return str(beside) if beside.exists() else found("buf")


def found(program: str) -> str:
    """Return the path of a program, or skip the test."""
    there = shutil.which(program)
    if there is None:
        pytest.skip(f"{program} is not on the PATH")
    return there


def installed(name: str, wanted: str, install: Callable[[Path], None]) -> Path:
    """Return a folder with what is wanted, installed unless it has exactly that already."""
    folder = CACHE / "others" / name
    stamp = folder / "installed.txt"
    with only_one(folder):
        if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        install(folder)
        stamp.write_text(wanted, encoding="utf-8")
    return folder


def run(command: list[str], folder: Path, more: Mapping[str, str] | None = None) -> str:
    """Run an installer and return what it says; skip the test if there is no registry."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **(more or {})},
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
        check=False,
    )
    if done.returncode:
        # npm says first what is wrong, pip and go say it last.
        lines = done.stderr.strip().splitlines() or ["no message"]
        pytest.skip(f"{command[0]} cannot install here: {lines[0]} ... {lines[-1]}")
    return done.stdout
