"""Write the software bill of materials of the installed project, as CycloneDX JSON.

    scripts/sbom.py [FILE]      # dist/sbom.json

It lists what the wheel needs with all of its extras, in the versions installed here: those of
requirements-dev.lock. What only development needs is not in it.
"""

import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = "symbolon-grpc"
EXTRAS = frozenset({"buckets", "cli", "native", "server"})
ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Write the file and print its name."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist/sbom.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(describe().output_as_string(indent=2) + "\n", encoding="utf-8")
    print(path)


def describe() -> JsonV1Dot6:
    """Return the bill of materials."""
    components: dict[str, Component] = {}
    bom = Bom()
    bom.metadata.component = _add(bom, distribution(PROJECT), EXTRAS, components)
    bom.components.remove(bom.metadata.component)
    return JsonV1Dot6(bom)


def _add(
    bom: Bom, package: Distribution, extras: frozenset[str], components: dict[str, Component]
) -> Component:
    """Return the component of a package; add it and all that it needs to `bom`."""
    name = canonicalize_name(package.metadata["Name"])
    component = components.get(name)
    if component is not None and not extras:
        return component
    kind = ComponentType.APPLICATION if name == PROJECT else ComponentType.LIBRARY
    url = PackageURL("pypi", None, name, package.version)
    component = Component(
        name=name, version=package.version, type=kind, purl=url, bom_ref=url.to_string()
    )
    components[name] = component
    bom.components.add(component)
    needed = [
        _add(bom, distribution(one.name), frozenset(one.extras), components)
        for one in _requirements(package, extras)
    ]
    bom.register_dependency(component, needed)
    return component


def _requirements(package: Distribution, extras: frozenset[str]) -> Iterator[Requirement]:
    """Yield what a package with these extras needs on this machine."""
    for text in package.requires or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement


if __name__ == "__main__":
    main()
