"""Every dependency has a reason beside it, and a pinned version."""

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def project() -> dict[str, Any]:
    """The table `project` of pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    table: dict[str, Any] = tomllib.loads(text)["project"]
    return table


def name_of(requirement: str) -> str:
    """The package that a requirement names: `redis` of `redis>=7.2`."""
    return re.split(r"[<>=!~;\[ ]", requirement, maxsplit=1)[0]


def declared() -> set[tuple[str, str]]:
    """Package and extra of each requirement; the client's own have the name `client` here."""
    extras = {"client": project()["dependencies"], **project()["optional-dependencies"]}
    return {(name_of(one), extra) for extra, all_ in extras.items() for one in all_}


def test_every_dependency_has_its_reason_on_its_line() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    explained = set(re.findall(r'^ +"([^"]+)", +# \S', text, re.MULTILINE))
    extras = project()["optional-dependencies"].values()
    requirements = [one for all_ in (project()["dependencies"], *extras) for one in all_]
    assert [one for one in requirements if one not in explained] == []


def test_the_client_needs_grpcio_and_protobuf_only() -> None:
    assert {name for name, extra in declared() if extra == "client"} == {"grpcio", "protobuf"}


def test_every_dependency_is_pinned_for_development() -> None:
    lock = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
    versions = re.findall(r"^(\S+)==", lock, re.MULTILINE)
    pinned = {name.lower().replace("_", "-") for name in versions}
    assert {name for name, _ in declared()} <= pinned
