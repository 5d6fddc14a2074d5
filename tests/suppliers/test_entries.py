"""How the setting is split into suppliers."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from symbolon_server.suppliers.parse import Entry, split_entries

BLANKS = st.sampled_from(["", " ", "  ", "\t"])
NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
VALUES = st.from_regex(r"[a-z0-9._-]{0,8}", fullmatch=True)
OPTIONS = st.lists(st.tuples(NAMES, VALUES), max_size=3).map(tuple)
URLS = st.from_regex(
    r"https?://(me:se%23cret@)?[a-z.]{1,9}(:80)?(/[a-z%=#]{0,5}){0,2}(\?sig=[a-z/&=]{0,5})?",
    fullmatch=True,
).map(lambda url: url.replace("#", "%23"))
DIRECTORIES = st.from_regex(r"(/|\./|~/)[a-zA-Z0-9 #=%._-]{0,12}/", fullmatch=True)


@st.composite
def written(draw: st.DrawFn) -> tuple[str, list[Entry]]:
    """Return a setting with random blanks and empty parts, and its entries."""
    entries = draw(
        st.lists(st.builds(Entry, location=URLS | DIRECTORIES, options=OPTIONS), max_size=4)
    )
    parts = []
    for entry in entries:
        options = [
            f"{draw(BLANKS)}{name}{draw(BLANKS)}={draw(BLANKS)}{value}"
            for name, value in entry.options
        ]
        parts.append(entry.location + "".join(f"{draw(BLANKS)}#{text}" for text in options[:1]))
        parts += options[1:]
    blanks = [f"{draw(BLANKS)}{part}{draw(BLANKS)}" for part in parts]
    return draw(st.sampled_from([",", ",,", ", ,"])).join(blanks), entries


@given(written())
@example(("", []))
@example(("/srv/c#/,./b=c", [Entry("/srv/c#/"), Entry("./b=c")]))
def test_entries_survive_a_round_trip(setting: tuple[str, list[Entry]]) -> None:
    text, entries = setting
    assert split_entries(text) == entries


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        (
            "https://a#casing=lower,absent=403,https://b",
            [Entry("https://a", (("casing", "lower"), ("absent", "403"))), Entry("https://b")],
        ),
        (
            "https://a # Casing = LOWER , absent=403 ,, /srv/b",
            [Entry("https://a", (("casing", "lower"), ("absent", "403"))), Entry("/srv/b")],
        ),
        ("https://a,casing=lower", [Entry("https://a"), Entry("casing=lower")]),
        ("/srv/a#casing=any,./b=c", [Entry("/srv/a", (("casing", "any"),)), Entry("./b=c")]),
        ("/srv/c#", [Entry("/srv/c#")]),
        ("/srv/c#/d#x", [Entry("/srv/c#/d#x")]),
        ("/srv/c#/d#x=y", [Entry("/srv/c#/d", (("x", "y"),))]),
        ("/srv/d#x=y/", [Entry("/srv/d#x=y/")]),
        ("/srv/d#x=y/#casing=any", [Entry("/srv/d#x=y/", (("casing", "any"),))]),
        ("#casing=any", [Entry("#casing=any")]),
        ("https://a#", [Entry("https://a", is_bad=True)]),
        ("https://a#b", [Entry("https://a", is_bad=True)]),
        ("https://a#b#casing=any", [Entry("https://a", is_bad=True)]),
        ("https://a?x=1#casing=any", [Entry("https://a?x=1", (("casing", "any"),))]),
    ],
)
def test_where_options_begin(text: str, entries: list[Entry]) -> None:
    assert split_entries(text) == entries


@given(st.text(alphabet="ab/:#=,. ~?@1"))
def test_every_part_of_any_text_is_an_entry_or_an_option(text: str) -> None:
    entries = split_entries(text)
    assert all(entry.location and entry.location == entry.location.strip() for entry in entries)
    parts = [part for part in text.split(",") if part.strip()]
    assert sum(len(entry.options) or 1 for entry in entries) == len(parts)
