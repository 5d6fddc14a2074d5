"""`make lint` refuses words that this project does not use."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHECK: dict[str, Any] = runpy.run_path(str(ROOT / "scripts/check_words.py"))
"""The names of the script, which is a program and in no package."""

WORDS: dict[str, str] = CHECK["WORDS"]


@pytest.fixture
def words_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """Return what finds words in a text."""
    find_words = CHECK["find_words"]
    monkeypatch.setitem(find_words.__globals__, "ROOT", tmp_path)

    def find(text: str) -> list[str]:
        file = tmp_path / "text.md"
        file.write_text(text, encoding="utf-8")
        return list(find_words(file))

    return find


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("text", ["one {}, two", "({})", "a_{}_b", "{}\n"])
def test_a_refused_word_is_found_with_its_line(
    words_in: Callable[[str], list[str]], word: str, text: str
) -> None:
    [line] = words_in("first\n" + text.format(word))
    assert line.startswith(f"text.md:2: “{word}”: write ")


def test_words_that_a_line_end_or_a_name_joins_are_found(
    words_in: Callable[[str], list[str]],
) -> None:
    name, comment = "for_the_sake_of", "# this is\n# none of it"
    assert len(words_in(name)) == len(words_in(comment)) == 1


@pytest.mark.parametrize("text", ["is None", "amends", "strangely", "recommended", "maybe it"])
def test_other_words_are_not_taken_for_one(words_in: Callable[[str], list[str]], text: str) -> None:
    assert words_in(text) == []
