"""The wheel: what an installation gets."""

import re
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Imports every module that the client has, but those that are for rich, where nothing of the
# server can be imported.
IMPORT_THE_CLIENT = """
import importlib, pkgutil, sys

absent = ("google.rpc", "grpc_health", "grpc_reflection", "numpy", "prometheus_client", "redis",
          "requests", "rich", "rq", "symbolon_server", "zstandard")
for name in absent:
    sys.modules[name] = None
import symbolon

for module in pkgutil.walk_packages(symbolon.__path__, "symbolon."):
    if "drawn_" not in module.name and module.name != "symbolon.__main__":
        importlib.import_module(module.name)
print(symbolon.__file__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from the checkout."""
    target = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (path,) = target.glob("symbolon_grpc-*.whl")
    return path


@pytest.fixture(scope="module")
def unpacked(wheel: Path) -> Path:
    """The folder of the unpacked wheel: what lies in site-packages after an installation."""
    folder = wheel.parent / "unpacked"
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


@pytest.mark.parametrize("name", ["store.conf", "cache.conf"])
def test_the_wheel_carries_the_configuration_of_redis(unpacked: Path, name: str) -> None:
    script = (
        "from symbolon_server.cache.configuration import find_configuration;"
        f"print(find_configuration({name!r}))"
    )
    found = Path(run_in(unpacked, script))
    assert found.is_relative_to(unpacked)
    assert found.read_bytes() == (ROOT / "redis" / name).read_bytes()


def test_the_wheel_has_both_packages_and_their_types(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    page = "symbolon_server/gateway/page.html"
    assert {"symbolon/py.typed", "symbolon_server/__init__.py", page} <= set(names)
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {
        "symbolon",
        "symbolon_grpc",
        "symbolon_server",
    }


def test_the_wheel_asks_for_grpcio_and_protobuf_without_an_extra(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (one for one in archive.namelist() if one.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    wanted = [one for one in metadata.get_all("Requires-Dist", []) if "extra ==" not in one]
    assert sorted(re.split("[<>=]", one, maxsplit=1)[0] for one in wanted) == ["grpcio", "protobuf"]


def test_the_client_runs_without_what_only_the_server_installs(unpacked: Path) -> None:
    assert Path(run_in(unpacked, IMPORT_THE_CLIENT)).is_relative_to(unpacked)


def run_in(unpacked: Path, script: str) -> str:
    """Run a script that finds the unpacked wheel before the checkout; return what it prints."""
    start = f"import sys; sys.path.insert(0, {str(unpacked)!r})\n"
    command = [sys.executable, "-I", "-c", start + script]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.strip()
