"""Each decision is a short file of its own, and the index lists them all."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "decisions"
FILES = sorted(file for file in FOLDER.iterdir() if file.name != "README.md")
NAMES = [file.name for file in FILES]

MOST_LINES = 20
MOST_COLUMNS = 120
PARTS = (["Context", "Choice", "Consequence"], ["Context", "Choice", "Measured", "Consequence"])

_NAME = re.compile(r"(\d{4})-[a-z0-9]+(?:-[a-z0-9]+)*\.md")
_HEAD = re.compile(r"# (\d{4}): (\S.*)\n\n\* Status: (.+)\n\* Date: (\d{4}-\d\d-\d\d)\n\n")
_SUPERSEDED = re.compile(r"superseded by \[(\d{4})\]\((\1-[a-z0-9-]+\.md)\)")
_PART = re.compile(r"^\*\*(\w+)\.\*\* \S", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


def head_of(file: Path) -> tuple[str, str, str, str]:
    """Number, title, status and date of a decision."""
    head = _HEAD.match(file.read_text(encoding="utf-8"))
    assert head is not None
    number, title, status, date = head.groups()
    return number, title, status, date


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_a_decision_has_a_number_a_status_and_a_date(file: Path) -> None:
    number, _, status, _ = head_of(file)
    name = _NAME.fullmatch(file.name)
    assert name is not None
    assert name[1] == number
    assert status == "accepted" or _SUPERSEDED.fullmatch(status)


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_a_decision_says_in_a_few_lines_what_followed_from_what(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert len(lines) <= MOST_LINES
    assert [line for line in lines if len(line) > MOST_COLUMNS] == []
    assert _PART.findall(text) in PARTS


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_a_decision_links_to_files_that_are_there(file: Path) -> None:
    links = _LINK.findall(file.read_text(encoding="utf-8"))
    assert [link for link in links if not (FOLDER / link).is_file()] == []


def test_a_superseded_decision_leads_to_an_accepted_one() -> None:
    superseded = [found[2] for file in FILES if (found := _SUPERSEDED.search(head_of(file)[2]))]
    assert superseded
    assert [name for name in superseded if head_of(FOLDER / name)[2] != "accepted"] == []


def test_decisions_are_numbered_without_gaps_in_the_order_of_their_dates() -> None:
    heads = [head_of(file) for file in FILES]
    assert [number for number, *_ in heads] == [f"{n:04}" for n in range(1, len(FILES) + 1)]
    assert all(one[-1] <= after[-1] for one, after in pairwise(heads))


def test_the_index_says_of_each_decision_what_its_file_says() -> None:
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    listed = [line for line in index.splitlines() if line.startswith("| [")]
    heads = [(file.name, *head_of(file)) for file in FILES]
    assert listed == [
        f"| [{number}]({name}) | {title} | {status} | {date} |"
        for name, number, title, status, date in heads
    ]
