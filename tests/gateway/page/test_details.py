"""The details of a row: why its frame is answered as it is."""

import json

import pytest

from tests.app.conftest import SAMPLE
from tests.gateway.asking import ORCHARD
from tests.gateway.browsing import needs_chromium
from tests.gateway.driving import OpenPage
from tests.gateway.page.using import INLINED, LINE, LOST, ask, hold_answers

pytestmark = needs_chromium

OPEN = "document.querySelector('tr.details dl') !== null"
CLOSED = "document.querySelector('tr.details') === null"
WHY = "document.querySelector('.why')"
SPOKEN = "byId('told').textContent"


def press(page: OpenPage, key: str, text: str) -> None:
    """Press a key where the focus is."""
    for kind in ("keyDown", "keyUp"):
        page.call(
            "Input.dispatchKeyEvent",
            type=kind,
            key=key,
            code=key if key != " " else "Space",
            text=text if kind == "keyDown" else "",
            windowsVirtualKeyCode=ord(text),
        )


def facts_of(page: OpenPage) -> dict[str, str]:
    names, said = page.run(
        "['dt', 'dd'].map((name) => "
        "[...document.querySelectorAll(`.details ${name}`)].map((one) => one.textContent))"
    )
    return dict(zip(names, said, strict=True))


def test_details_tell_what_led_to_the_answer(page: OpenPage) -> None:
    ask(page, INLINED)
    page.run(f"{WHY}.click()")
    page.wait(OPEN)
    assert facts_of(page) == {
        "Looked up": "0x11cb",
        "Module": "found",
        "Why": "no public symbol applies: a function covers the offset",
        "Decided by": "function orchard::ship(orchard::Crate const*, int), 0x11a0 to 0x11f1",
        "Symbols": f"breakpad from {SAMPLE / 'symbols'}",
    }
    titles = page.run("[...document.querySelectorAll('.details h3')].map((one) => one.textContent)")
    assert titles[0] == "Tiers"
    assert titles[1].startswith("Page 0, 0x1000 to ")
    assert titles[2] == "Suppliers, when asked last"
    hit = page.run("document.querySelector('.details [aria-current] td').textContent")
    assert hit == "0x11c7"
    assert page.console == []


def test_details_of_a_missing_module_tell_what_suppliers_answered(page: OpenPage) -> None:
    ask(page, LOST)
    page.run(f"{WHY}.click()")
    page.wait(OPEN)
    facts = facts_of(page)
    assert facts["Module"].startswith("missing; no supplier has it")
    assert facts["Why"] == "no tier has the module"
    said = page.run("document.querySelector('.details tbody tr .missing').parentElement.innerText")
    assert "has no such file" in said


@pytest.mark.parametrize(("key", "text"), [("Enter", "\r"), (" ", " ")])
def test_a_key_opens_and_closes_details_and_keeps_the_focus(
    page: OpenPage, key: str, text: str
) -> None:
    ask(page, LINE)
    page.run(f"{WHY}.focus()")
    press(page, key, text)
    page.wait(OPEN)
    assert page.run(f"{WHY}.getAttribute('aria-expanded')") == "true"
    assert page.run(SPOKEN) == "Details of frame 0 are below its row."
    press(page, key, text)
    page.wait(CLOSED)
    assert page.run(f"{WHY}.getAttribute('aria-expanded')") == "false"
    assert page.run(f"document.activeElement === {WHY}")


def test_a_screen_reader_hears_what_each_button_is_for(page: OpenPage) -> None:
    ask(page, f"{INLINED}\n{LOST}")
    found = page.call("Accessibility.getFullAXTree")["nodes"]
    names = [node["name"]["value"] for node in found if node["role"]["value"] == "button"]
    assert [name for name in names if name.endswith("details of this frame")] == [
        "0: details of this frame",
        "1: details of this frame",
    ]


@pytest.mark.parametrize("cell", ["tr.inline td:nth-child(3)", "tr.frame:not(.inline) td + td"])
def test_a_click_on_any_row_of_a_frame_opens_its_details(page: OpenPage, cell: str) -> None:
    ask(page, INLINED)
    page.run(f"document.querySelector('{cell}').click()")
    page.wait(OPEN)
    page.run(f"document.querySelector('{cell}').click()")
    assert page.run(CLOSED)


def test_what_else_can_be_clicked_in_a_row_opens_no_details(page: OpenPage) -> None:
    ask(page, INLINED)
    page.run("document.querySelector('.fold').click()")
    assert page.run(CLOSED)
    page.run(
        "getSelection().selectAllChildren(document.querySelector('tr.frame td + td'));"
        "document.querySelector('tr.frame td + td').click()"
    )
    assert page.run(CLOSED)


def test_details_are_told_to_be_on_their_way(page: OpenPage) -> None:
    ask(page, LINE)
    hold_answers(page)
    page.run(f"{WHY}.click()")
    assert page.run("document.querySelector('.details .busy').textContent") == "Looking up why."
    assert page.run(SPOKEN) == "Details of frame 0 are being looked up."
    page.run("release()")
    page.wait(OPEN)
    assert page.run("document.querySelector('.details .busy')") is None


def test_details_that_cannot_be_had_say_why_and_can_be_asked_for_again(page: OpenPage) -> None:
    ask(page, LINE)
    page.run(
        "var real = fetch; window.fetch = async () => new Response("
        "JSON.stringify({ title: 'the <b>server</b> is full' }),"
        "{ status: 503, headers: { 'Retry-After': '2' } }); 0"
    )
    page.run(f"{WHY}.click()")
    page.wait("document.querySelector('.details .malformed')")
    told = "the <b>server</b> is full; retry after 2 s"
    assert page.run("document.querySelector('.details').textContent") == f"No details: {told}"
    assert page.run(SPOKEN) == f"Details of frame 0: {told}"
    page.run(f"window.fetch = real; {WHY}.click(); {WHY}.click()")
    page.wait(OPEN)


def test_an_answer_that_comes_after_the_next_stack_is_not_shown(page: OpenPage) -> None:
    ask(page, LINE)
    hold_answers(page)
    page.run(f"{WHY}.click()")
    page.run("window.fetch = real; 0")
    ask(page, INLINED)
    page.run("release()")
    page.run("new Promise((done) => setTimeout(done, 0))")
    assert page.run(CLOSED)
    assert page.run(SPOKEN) == "The answer is below."


def test_a_return_address_is_explained_as_one(page: OpenPage) -> None:
    ask(page, (SAMPLE.parent / "pasted" / "apple.txt").read_text())
    page.run(
        "var sent = []; const sending = fetch; window.fetch = (path, options) => {"
        "sent.push(JSON.parse(options.body)); return sending(path, options); };"
        "[...document.querySelectorAll('.why')].slice(0, 2).forEach((one) => one.click()); 0"
    )
    page.wait("document.querySelectorAll('.details dl').length === 2")
    told = page.run("[...document.querySelectorAll('.details dd')].map((one) => one.textContent)")
    asked = page.run("sent")
    assert {one["is_return_address"] for one in asked} == {False, True}
    for one in asked:
        assert hex(int(one["module_offset"], 16) - one["is_return_address"]) in told


def test_a_frame_that_was_not_looked_up_has_no_details(page: OpenPage) -> None:
    report = {"memoryMap": [ORCHARD, ["", ""]], "stacks": [[[-1, 7], [1, 7], [0, "x"], [0, 7]]]}
    ask(page, json.dumps(report))
    assert page.run("document.querySelectorAll('.why').length") == 1
    assert page.run(f"{WHY}.textContent") == "3"


def test_details_run_nothing_that_a_name_contains(page: OpenPage) -> None:
    ask(page, LINE)
    hostile = "<img src=x onerror='document.title=1'>"
    page.run(
        f"const real = fetch; window.fetch = async (...all) => {{ const one = await real(...all);"
        f"const found = await one.json(); found.ranges[0].function = {json.dumps(hostile)};"
        f"found.deciding_symbol.name = {json.dumps(hostile)};"
        f"return new Response(JSON.stringify(found)); }}; {WHY}.click()"
    )
    page.wait(OPEN)
    assert page.run("document.querySelector('.details img')") is None
    assert hostile in facts_of(page)["Decided by"]
