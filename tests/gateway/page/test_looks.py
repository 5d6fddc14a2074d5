"""How the page looks in each state, in both schemes, on a wide and a narrow screen."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.app.conftest import SAMPLE
from tests.gateway.browsing import needs_chromium
from tests.gateway.driving import OpenPage
from tests.gateway.page.using import FAILED, INLINED, LINE, LOST, ask, give, hold_answers

pytestmark = needs_chromium

CRASH = (SAMPLE / "crash.json").read_text()

READABLE = 4.5
"""The contrast that WCAG 2 requires for text of this size."""

CONTRASTS = r"""
(() => {
  const parts = (colour) => {
    const [red, green, blue, alpha = 1] = colour.match(/[\d.]+/g).map(Number);
    return [red, green, blue, alpha];
  };
  const over = ([...top], below) => {
    const alpha = top.pop();
    return [...top.map((part, index) => alpha * part + (1 - alpha) * below[index]), 1];
  };
  const luminance = (colour) => {
    const [red, green, blue] = colour.slice(0, 3).map((part) => part / 255).map(
      (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const canvas = Object.assign(document.createElement("div"), { style: "background: Canvas" });
  document.body.append(canvas);
  const empty = parts(getComputedStyle(canvas).backgroundColor);
  canvas.remove();
  const behind = (one) => {
    if (one === null) return empty;
    return over(parts(getComputedStyle(one).backgroundColor), behind(one.parentElement));
  };
  const opacity = (one) =>
    (one === null ? 1 : getComputedStyle(one).opacity * opacity(one.parentElement));
  const hasText = (one) => one.matches("textarea, input") ||
    [...one.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
  const isSeen = (one) => one.checkVisibility() && !one.matches("script, .unseen");
  return [...document.body.querySelectorAll("*")]
    .filter((one) => hasText(one) && isSeen(one))
    .map((one) => {
      const [red, green, blue, alpha] = parts(getComputedStyle(one).color);
      const back = behind(one);
      const text = over([red, green, blue, alpha * opacity(one)], back);
      const [low, high] = [luminance(back), luminance(text)].sort((a, b) => a - b);
      return [(high + 0.05) / (low + 0.05), `${one.tagName} ${one.className} ${one.textContent}`];
    });
})()
"""


def be_empty(_page: OpenPage) -> None:
    """Do nothing."""


def be_asking(page: OpenPage) -> None:
    hold_answers(page)
    give(page, LINE)
    page.run("byId('ask').click()")


def be_answered(page: OpenPage) -> None:
    ask(page, CRASH)
    recorded = "{ file: 'git:github.com/a/b:src/c.rs:0f1e', line: 7 }"
    page.run(f"document.querySelector('tbody tr').lastChild.replaceWith(placeCell({recorded})); 0")


def be_open(page: OpenPage) -> None:
    """Show details of a frame with a function, and of one in a missing module."""
    ask(page, f"{INLINED}\n{LOST}")
    page.run("document.querySelectorAll('.why').forEach((one) => one.click())")
    page.wait("document.querySelectorAll('dl').length === 2")


def be_failed(page: OpenPage) -> None:
    give(page, "Segmentation fault")
    page.run("byId('ask').click()")
    page.wait(FAILED)


def be_cut(page: OpenPage) -> None:
    page.run(f"location.hash = '#text={quote(LINE, safe='')}'")
    page.wait(FAILED)


STATES: dict[str, Callable[[OpenPage], None]] = {
    "empty": be_empty,
    "asking": be_asking,
    "answered": be_answered,
    "details": be_open,
    "error": be_failed,
    "cut link": be_cut,
}


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", STATES)
def test_every_text_can_be_read_and_nothing_scrolls_sideways(
    page: OpenPage, tmp_path: Path, state: str, scheme: str, width: int
) -> None:
    page.show(width, scheme)
    STATES[state](page)
    (tmp_path / f"{state}, {scheme}, {width}.png").write_bytes(page.picture())
    contrasts = page.run(CONTRASTS)
    assert len(contrasts) > 5
    assert [found for found in contrasts if found[0] < READABLE] == []
    assert page.run("document.documentElement.scrollWidth") <= width
    wide = "[...document.querySelectorAll('.wide')].map((one) => one.scrollWidth - one.clientWidth)"
    assert set(page.run(wide)) <= {0}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_outcome_can_be_read(page: OpenPage, scheme: str) -> None:
    page.show(1280, scheme)
    outcomes = ["found", "missing", "malformed", "unavailable", "pending"]
    page.run(
        f"byId('answer').append(...{outcomes}.map((name) => element('p', name, name)));"
        "byId('error').textContent = 'no'; byId('busy').textContent = 'wait'; 0"
    )
    contrasts = {said: contrast for contrast, said in page.run(CONTRASTS)}
    assert set(contrasts) >= {f"P {name} {name}" for name in outcomes}
    assert min(contrasts.values()) >= READABLE


def test_a_small_screen_breaks_no_short_word(page: OpenPage) -> None:
    page.show(390, "light")
    ask(page, CRASH)
    heights = page.run(
        "[...document.querySelectorAll(':is(th, td):nth-child(-n+2)')]"
        ".filter(({ textContent: { length } }) => length > 0 && length < 10)"
        ".map((one) => { const range = document.createRange(); range.selectNodeContents(one);"
        " return range.getClientRects().length; })"
    )
    assert set(heights) <= {1, 2}, "a button has a rectangle of its own"
