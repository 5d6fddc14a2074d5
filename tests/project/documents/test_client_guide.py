"""docs/client.md has an example of everything that the client gives."""

import re
from pathlib import Path

import pytest

import symbolon
import symbolon.testing

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
EXAMPLES = "\n".join(re.findall(r"^```python\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE))
"""Those that run in `test_readme.py`."""


def public_names(kind: type) -> list[str]:
    return [name for name, value in vars(kind).items() if callable(value) and name[0] != "_"]


@pytest.mark.parametrize("name", [*symbolon.__all__, *symbolon.testing.__all__])
def test_every_public_name_has_an_example(name: str) -> None:
    assert re.search(rf"\b{name}\b", EXAMPLES)


@pytest.mark.parametrize("name", public_names(symbolon.Client))
def test_every_call_has_an_example(name: str) -> None:
    assert f".{name}(" in EXAMPLES or name == "close"


@pytest.mark.parametrize("name", public_names(symbolon.testing.FakeServer))
def test_everything_that_a_fake_server_is_told_has_an_example(name: str) -> None:
    assert f".{name}(" in EXAMPLES


def test_both_clients_have_the_same_calls() -> None:
    assert public_names(symbolon.Client) == public_names(symbolon.AsyncClient)


def test_every_error_is_in_the_table() -> None:
    errors = [
        name for name in symbolon.__all__ if name.endswith("Error") and name != "SymbolonError"
    ]
    assert [name for name in errors if f"| `{name}` |" not in GUIDE] == []


def test_every_module_outcome_is_in_the_table() -> None:
    known = [outcome.name for outcome in symbolon.ModuleOutcome if outcome.value]
    assert [name for name in known if f"| `{name}` |" not in GUIDE] == []
