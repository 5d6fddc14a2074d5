"""The wheel: what an installation gets."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from email.message import Message
from email.parser import Parser
from importlib.resources import files
from pathlib import Path

import pytest

from tests.fixtures.installing import INSTALL_SECONDS
from tests.project.installation import EXTRAS, install_wheel

ROOT = Path(__file__).resolve().parents[2]
PROTOS = ROOT / "protos"
SYMBOLS = ROOT / "tests/data/sample/symbols"

# Imports every module of the client, with the packages of the extras and of the server absent.
IMPORT_THE_CLIENT = """
import importlib, pkgutil, sys

absent = ("google.rpc", "grpc_health", "grpc_reflection", "numpy", "prometheus_client", "redis",
          "requests", "rich", "shtab", "symbolon_server", "zstandard")
for name in absent:
    sys.modules[name] = None
import symbolon

for module in pkgutil.walk_packages(symbolon.__path__, "symbolon."):
    if module.name != "symbolon.__main__":
        importlib.import_module(module.name)
print(symbolon.__file__)
"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `make wheel` prints."""
    folder = tmp_path_factory.mktemp("wheel")
    make = ["make", "--no-print-directory", f"PYTHON={sys.executable}", f"WHEEL_FOLDER={folder}"]
    done = subprocess.run([*make, "wheel"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


@pytest.fixture(scope="module")
def wheel(shown: str) -> Path:
    """The wheel that `make wheel` built."""
    return Path(next(line for line in shown.splitlines() if line.endswith(".whl")))


@pytest.fixture(scope="module")
def unpacked(wheel: Path) -> Path:
    """The folder of the unpacked wheel: what lies in site-packages after an installation."""
    folder = wheel.parent / "unpacked"
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


@pytest.mark.parametrize("name", ["store.conf", "cache.conf"])
def test_the_wheel_carries_the_configuration_of_redis(unpacked: Path, name: str) -> None:
    script = (
        "from symbolon_server.redis_servers.server_programs import find_configuration;"
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


def test_the_wheel_carries_the_protos_where_importlib_finds_them(unpacked: Path) -> None:
    script = "from importlib.resources import files; print(files('symbolon') / 'protos')"
    found = Path(run_in(unpacked, script))
    assert found.is_relative_to(unpacked)
    protos = {path.relative_to(PROTOS) for path in PROTOS.rglob("*.proto")}
    packed = {path.relative_to(found) for path in found.rglob("*") if path.is_file()}
    assert protos
    assert packed == {*protos, Path("buf.yaml"), Path("buf.gen.yaml")}
    assert all((found / one).read_bytes() == (PROTOS / one).read_bytes() for one in packed)


def test_a_checkout_has_the_protos_in_the_same_place() -> None:
    assert files("symbolon").joinpath("protos/buf.gen.yaml").is_file()


def test_an_image_is_built_from_all_that_a_wheel_holds(wheel: Path, tmp_path: Path) -> None:
    """Only what .dockerignore lets through is there then."""
    copy_what_docker_gets(tmp_path)
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    (built,) = tmp_path.glob("dist/*.whl")
    assert zipfile.ZipFile(built).namelist() == zipfile.ZipFile(wheel).namelist()


def copy_what_docker_gets(target: Path) -> None:
    """Copy what the lines with `!` name, without following links."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line[1:] for line in lines if line.startswith("!")]
    caches = shutil.ignore_patterns("__pycache__")
    for path in (path for pattern in patterns for path in ROOT.glob(pattern)):
        place = target / path.relative_to(ROOT)
        place.parent.mkdir(exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, place, symlinks=True, ignore=caches)
        else:
            shutil.copy(path, place)


def metadata_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (one for one in archive.namelist() if one.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def test_a_wheel_from_the_source_distribution_is_the_same(wheel: Path, tmp_path: Path) -> None:
    make = ["make", "--no-print-directory", f"PYTHON={sys.executable}", f"SDIST_FOLDER={tmp_path}"]
    subprocess.run([*make, "sdist"], cwd=ROOT, check=True, capture_output=True)
    (archive,) = tmp_path.glob("symbolon_grpc-*.tar.gz")
    # Not by shutil, which takes a filter from Python 3.11.4 on and warns without one later.
    subprocess.run(["tar", "-xzf", archive, "-C", tmp_path], check=True)
    folder = archive.with_suffix("").with_suffix("")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (built,) = folder.glob("dist/*.whl")
    assert zipfile.ZipFile(built).namelist() == zipfile.ZipFile(wheel).namelist()
    assert (folder / "tests/conftest.py").is_file()
    assert (folder / "docs/README.md").is_file()


def test_an_index_page_has_no_links_to_files_of_the_checkout(wheel: Path) -> None:
    description = str(metadata_of(wheel).get_payload())
    assert description.startswith("# Symbolon")
    links = re.findall(r"\]\(([^)]+)\)", description)
    assert [link for link in links if "://" not in link] == []


def test_the_metadata_has_extras_for_users_only(wheel: Path) -> None:
    assert sorted(metadata_of(wheel).get_all("Provides-Extra", [])) == sorted(EXTRAS)


def test_the_bill_of_materials_lists_what_the_extras_need(tmp_path: Path) -> None:
    file = tmp_path / "sbom.json"
    subprocess.run([sys.executable, "scripts/sbom.py", str(file)], cwd=ROOT, check=True)
    bill = json.loads(file.read_text(encoding="utf-8"))
    names = {component["name"] for component in bill["components"]}
    assert {"grpcio", "protobuf", "redis", "rich", "numpy"} <= names
    assert names.isdisjoint({"pytest", "mypy", "symbolon-grpc"})
    assert bill["metadata"]["component"]["name"] == "symbolon-grpc"
    described = {one["ref"] for one in bill["dependencies"]}
    assert {component["bom-ref"] for component in bill["components"]} <= described


def test_the_wheel_asks_for_grpcio_and_protobuf_without_an_extra(wheel: Path) -> None:
    metadata = metadata_of(wheel)
    wanted = [one for one in metadata.get_all("Requires-Dist", []) if "extra ==" not in one]
    assert sorted(re.split("[<>=]", one, maxsplit=1)[0] for one in wanted) == ["grpcio", "protobuf"]


def test_the_client_runs_without_what_only_the_server_installs(unpacked: Path) -> None:
    assert Path(run_in(unpacked, IMPORT_THE_CLIENT)).is_relative_to(unpacked)


def test_the_command_of_the_server_says_that_its_extra_is_not_installed(unpacked: Path) -> None:
    script = """
import contextlib, io, sys

sys.modules["platformdirs"] = None
from symbolon_server.launch import main

with contextlib.redirect_stderr(io.StringIO()) as said:
    code = main()
print(code, said.getvalue())
"""
    said = run_in(unpacked, script)
    assert said.startswith("1 symbolon-server: the package platformdirs is not installed: ")
    assert "WHEEL[server]" in said


def test_the_build_says_where_the_wheel_is_and_how_to_install_it(shown: str, wheel: Path) -> None:
    assert wheel.name.startswith("symbolon_grpc-")
    assert wheel.is_file()
    installed = re.findall(r"^  pip install '([^']+)'", shown, re.MULTILINE)
    assert installed == [f"{wheel}{extra}" for extra in ("", *(f"[{extra}]" for extra in EXTRAS))]


@pytest.mark.installs
@pytest.mark.timeout(INSTALL_SECONDS + 60)
def test_the_wheel_alone_brings_the_client_and_its_command_line(
    wheel: Path, tmp_path: Path
) -> None:
    programs = install_wheel(wheel, "", tmp_path / "venv")
    found = say([programs / "python", "-c", "import symbolon; print(symbolon.__file__)"], tmp_path)
    assert Path(found.strip()).is_relative_to(tmp_path)
    assert say([programs / "symbolon", "--help"], tmp_path).startswith("usage: symbolon ")
    version = say([programs / "symbolon", "--version"], tmp_path).split()[1]
    assert f"-{version}-" in wheel.name
    listing = "import importlib.metadata as all; print(*[one.name for one in all.distributions()])"
    names = {name.lower() for name in say([programs / "python", "-c", listing], tmp_path).split()}
    assert names - {"typing_extensions"} == {"grpcio", "protobuf", "symbolon-grpc"}


@pytest.mark.installs
@pytest.mark.timeout(INSTALL_SECONDS + 60)
def test_the_wheel_with_its_extras_finds_all_that_it_needs_to_serve(
    wheel: Path, tmp_path: Path
) -> None:
    programs = install_wheel(wheel, f"[{','.join(EXTRAS)}]", tmp_path / "venv")
    checked = say([programs / "symbolon-server", "check", f"--suppliers={SYMBOLS}"], tmp_path)
    version = say([programs / "symbolon-server", "--version"], tmp_path)
    of_client = say([programs / "symbolon", "--version"], tmp_path)
    assert version == of_client.replace(" ", "-server ").replace("\n", " (pure)\n")
    assert str(SYMBOLS) in checked
    assert "WRONG" not in checked


def say(command: Sequence[str | Path], folder: Path) -> str:
    """Run a program of an environment where nothing of the checkout is; return what it prints."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env={"HOME": str(folder), "PATH": os.environ["PATH"]},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    return done.stdout


def run_in(unpacked: Path, script: str) -> str:
    """Run a script that finds the unpacked wheel before the checkout; return what it prints."""
    start = f"import sys; sys.path.insert(0, {str(unpacked)!r})\n"
    command = [sys.executable, "-I", "-c", start + script]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.strip()
