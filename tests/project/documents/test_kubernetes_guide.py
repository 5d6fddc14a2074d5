"""docs/kubernetes.md names what the chart has."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs/kubernetes.md").read_text(encoding="utf-8")
VALUES = yaml.safe_load((ROOT / "deploy/helm/symbolon/values.yaml").read_text(encoding="utf-8"))
EXAMPLES = [
    yaml.safe_load(block)
    for block in re.findall(r"^```yaml\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
]
MANIFESTS = (ROOT / "deploy/manifests/symbolon.yaml").read_text(encoding="utf-8")


def unknown_in(example: Mapping[str, Any], known: Mapping[str, Any], place: str) -> Iterator[str]:
    """Yield the values of an example that the chart lacks; what is below an empty map is free."""
    for name, value in example.items():
        if name not in known:
            yield f"{place}{name}"
        elif isinstance(value, dict) and known[name] and name != "volume":
            yield from unknown_in(value, known[name], f"{place}{name}.")


def test_the_examples_set_only_values_that_the_chart_has() -> None:
    assert len(EXAMPLES) > len({"server", "worker"})
    assert [name for one in EXAMPLES for name in unknown_in(one, VALUES, "")] == []


def test_every_value_that_the_text_names_is_there() -> None:
    named = re.findall(r"`((?:server|worker|redis|suppliers|monitoring|tls|auth)\.[\w.]+)", GUIDE)
    assert named
    for path in named:
        found = VALUES
        for name in path.split("."):
            assert name in found, path
            found = found[name]


def test_every_object_of_the_chart_that_the_guide_lists_is_there() -> None:
    listed = set(
        re.findall(r"^\| `(symbolon[\w-]*)`(?:, `(symbolon[\w-]*)`)? \|", GUIDE, re.MULTILINE)
    )
    names = {name for pair in listed for name in pair if name} - {"symbolon-http"}
    assert len(names) > len({"server", "worker"})
    assert [name for name in names if f"\n  name: {name}\n" not in MANIFESTS] == []
