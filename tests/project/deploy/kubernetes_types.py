"""Checks manifests against the types of Kubernetes, as its Python client declares them.

Unknown fields, missing ones and wrong types are found, as kubeconform finds them; its schemas are
on a web server, the client in a package. Nothing of the client is run: its modules are 7 MB of
text, and a few of their tables are read.
"""

import ast
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tests.others.installed import installed, run

CLIENT = "kubernetes==37.0.2"
"""Of Kubernetes 1.37."""

_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_TABLE = r"^    {}: ClassVar\[.*?\] = (\{{.*?^    \}})"
_REQUIRED = re.compile(r"^    (\w+): (?!Optional|ClassVar)", re.MULTILINE)
_PLAIN: Mapping[str, type | tuple[type, ...]] = {
    "bool": bool,
    "float": (int, float),
    "int": int,
    "object": object,
    "str": str,
}
_GROUPS = {"apps/v1": "V1", "autoscaling/v2": "V2", "networking.k8s.io/v1": "V1", "policy/v1": "V1"}
_VERSIONS = {"v1": "V1"} | _GROUPS


class _Type(NamedTuple):
    """Fields as they are written, with the names of their types."""

    fields: Mapping[str, str]
    required: frozenset[str]


def client_wheel() -> Path:
    """Return the wheel of the Python client, downloaded once."""

    def download(folder: Path) -> None:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        run([*pip, "--no-deps", "--only-binary=:all:", "--dest", str(folder), CLIENT], folder)

    (wheel,) = installed("kubernetes", CLIENT, download).glob("*.whl")
    return wheel


class KubernetesTypes:
    """The types that the Python client declares."""

    def __init__(self, wheel: Path) -> None:
        self._archive = zipfile.ZipFile(wheel)
        self._find_type = cache(self._read_type)

    def knows(self, manifest: Mapping[str, Any]) -> bool:
        """Return whether the manifest is of Kubernetes itself, not of an operator."""
        return manifest["apiVersion"] in _VERSIONS

    def find_problems(self, manifest: Mapping[str, Any]) -> list[str]:
        """Return what is wrong with a manifest, each with its place."""
        name = _VERSIONS[manifest["apiVersion"]] + manifest["kind"]
        return list(self._check(manifest, name, manifest["kind"]))

    def _check(self, value: Any, name: str, place: str) -> Iterator[str]:
        if listed := re.fullmatch(r"[Ll]ist\[(.+)\]", name):
            yield from self._check_list(value, listed[1], place)
        elif mapped := re.fullmatch(r"[Dd]ict\[str, (.+)\]", name):
            yield from self._check_map(value, mapped[1], place)
        elif name in _PLAIN:
            is_number = name in {"int", "float"} and isinstance(value, bool)
            if is_number or not isinstance(value, _PLAIN[name]):
                yield f"{place} is {value!r}, no {name}"
        else:
            yield from self._check_fields(value, self._find_type(name), place)

    def _check_list(self, value: Any, name: str, place: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"{place} is no list"
            return
        for number, item in enumerate(value):
            yield from self._check(item, name, f"{place}[{number}]")

    def _check_map(self, value: Any, name: str, place: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{place} is no map"
            return
        for key, item in value.items():
            yield from self._check(item, name, f"{place}.{key}")

    def _check_fields(self, value: Any, found: _Type, place: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{place} is no map"
            return
        yield from (f"{place} lacks {field}" for field in sorted(found.required - value.keys()))
        for key, item in value.items():
            if key not in found.fields:
                yield f"{place} has no field {key}"
            else:
                yield from self._check(item, found.fields[key], f"{place}.{key}")

    def _read_type(self, name: str) -> _Type:
        module = _WORDS.sub("_", name).lower()
        text = self._archive.read(f"kubernetes/client/models/{module}.py").decode()
        types, names = (_table(text, table) for table in ("openapi_types", "attribute_map"))
        own = text.partition("(BaseModel):")[2].partition("    openapi_types: ")[0]
        return _Type(
            {names[field]: types[field] for field in types},
            frozenset(names[field] for field in _REQUIRED.findall(own)),
        )


def _table(text: str, name: str) -> dict[str, str]:
    (found,) = re.findall(_TABLE.format(name), text, re.MULTILINE | re.DOTALL)
    table: dict[str, str] = ast.literal_eval(found)
    return table
