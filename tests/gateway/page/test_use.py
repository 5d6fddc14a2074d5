"""Use of the page: clicks, keys, links, files."""

import gzip
import json

import pytest

from symbolon._forms.raw_lines import RAW_LINE_EXAMPLE
from tests.app.conftest import SAMPLE
from tests.gateway.asking import ORCHARD
from tests.gateway.browsing import needs_chromium
from tests.gateway.driving import OpenPage
from tests.gateway.page.using import (
    ANSWERED,
    FAILED,
    INLINED,
    LINE,
    LOST,
    ask,
    give,
    hold_answers,
    link,
)

pytestmark = needs_chromium


def first_function(page: OpenPage) -> str:
    return str(
        page.run("document.querySelector('tbody tr td:nth-child(3)').firstChild.textContent")
    )


def test_a_running_request_is_shown_and_a_second_click_sends_nothing(
    page: OpenPage,
) -> None:
    hold_answers(page)
    give(page, LINE)
    page.run("byId('ask').click(); byId('ask').click()")
    assert page.run("document.body.dataset.state") == "asking"
    assert page.run("byId('busy').innerText").startswith("Symbolicating")
    assert page.run("byId('ask').disabled")
    assert page.run("getComputedStyle(document.body).cursor") == "progress"
    page.run("release()")
    page.wait(ANSWERED)
    assert page.run("asked") == 1
    assert page.run("document.querySelectorAll('table').length") == 2
    assert page.run("byId('busy').innerText + byId('ask').disabled") == "false"


def test_a_link_opened_during_a_request_replaces_it(page: OpenPage, gateway: str) -> None:
    hold_answers(page)
    give(page, f"{LINE}\n{LOST}")
    page.run("byId('ask').click()")
    page.run(f"location.href = {json.dumps(link(gateway, LINE))}")
    page.wait("held.length === 2")
    page.run("release()")
    page.wait(ANSWERED)
    assert page.run("document.querySelectorAll('tbody tr').length") == 2
    assert page.run("byId('given').value") == LINE


def test_a_link_opened_in_a_tab_that_has_the_page_is_answered(page: OpenPage, gateway: str) -> None:
    page.run(f"location.href = {json.dumps(link(gateway, LINE))}")
    page.wait(ANSWERED)
    assert first_function(page) == "_start + 0x20"


@pytest.mark.parametrize("cut", ["%2", "%", "%E2%82", "%zz"])
def test_a_truncated_link_is_reported_as_damaged(page: OpenPage, gateway: str, cut: str) -> None:
    page.go("about:blank")
    page.go(f"{link(gateway, LINE)}{cut}")
    page.wait(FAILED)
    assert page.run("byId('error').innerText").startswith("this link is damaged")
    assert page.console == []


def test_a_frame_without_a_function_tells_why(page: OpenPage) -> None:
    ask(page, f"{LINE}\n{LOST}\n{'/'.join(ORCHARD)} 0x0")
    lost, none = page.run(
        "[...document.querySelectorAll('td:nth-child(3) > span')]"
        ".map((one) => [one.textContent, one.title])"
    )
    assert lost[0] == "(module missing)"
    assert lost[1].startswith("no supplier has it")
    assert none[0] == "(no symbol)"


def test_inline_frames_are_folded_by_a_button(page: OpenPage) -> None:
    ask(page, INLINED)
    shown = (
        "[document.querySelector('.fold').ariaExpanded, document.querySelector('.inline').hidden]"
    )
    assert page.run(shown) == ["true", False]
    page.run("document.querySelector('.fold').click()")
    assert page.run(shown) == ["false", True]
    page.run("document.querySelector('.fold').click()")
    assert page.run(shown) == ["true", False]


@pytest.mark.parametrize(
    ("file", "address"),
    [
        (
            "hg:hg.mozilla.org/mozilla-central:dom/base/a b.cpp:0f1e",
            "https://hg.mozilla.org/mozilla-central/file/0f1e/dom/base/a%20b.cpp#l7",
        ),
        ("git:github.com/a/b.git:src/c.rs:0f1e", "https://github.com/a/b/blob/0f1e/src/c.rs#L7"),
        ("git:gitlab.com/a/b/c:d#.c:0f1e", "https://gitlab.com/a/b/c/-/blob/0f1e/d%23.c#L7"),
        ("git:elsewhere.example/a:b.c:0f1e", None),
        ("git:constructor/a:b.c:0f1e", None),
        ("src/c.rs", None),
    ],
)
def test_a_recorded_path_is_a_link_to_its_line(
    page: OpenPage, file: str, address: str | None
) -> None:
    assert page.run(f"addressOf({{ file: {json.dumps(file)}, line: 7 }})") == address


def test_a_link_that_lacks_its_end_is_reported_as_damaged(page: OpenPage, gateway: str) -> None:
    page.run(f"location.href = 'http://{gateway}/' + linkOf({json.dumps(LINE)}).slice(0, -4)")
    page.wait(FAILED)
    assert page.run("byId('error').innerText").startswith("this link is damaged")


def test_the_answer_is_copied_as_text_and_as_a_link(page: OpenPage, gateway: str) -> None:
    ask(page, f"{INLINED}\n{LOST}")
    page.run(
        "var copied = []; Object.defineProperty(navigator, 'clipboard',"
        " { value: { writeText: async (text) => { copied.push(text); } } });"
        "byId('copy-text').click(); byId('copy-link').click()"
    )
    page.wait("copied.length === 2")
    text, link_copied = page.run("copied")
    assert text.splitlines() == [
        "Stack 1",
        "orchard 0x11cb  price  [orchard/shipping.cpp:10]",
        "    inlined into orchard::ship(orchard::Crate const*, int)  [orchard/shipping.cpp:19]",
        "lost.pdb 0x7  (module missing)",
    ]
    page.go("about:blank")
    page.go(link_copied)
    page.wait(ANSWERED)
    assert page.run("byId('given').value") == f"{INLINED}\n{LOST}"
    assert page.run("written") == text


def test_the_browser_reports_no_error(page: OpenPage) -> None:
    ask(page, f"{LINE}\n{LOST}")
    assert page.console == []


def test_the_time_until_a_retry_is_in_whole_seconds(page: OpenPage) -> None:
    ask(page, LOST)
    told = page.run("[...document.querySelectorAll('td')].at(-1).textContent")
    assert "retry after " in told
    assert told.rpartition("after ")[2].removesuffix(" s").isdigit()


def test_what_another_program_printed_is_shown_with_its_titles_and_what_it_lacks(
    page: OpenPage,
) -> None:
    ask(page, (SAMPLE.parent / "pasted" / "tombstone.txt").read_text())
    titles = page.run("[...document.querySelectorAll('h2')].map((one) => one.textContent)")
    assert titles == ["Thread 1092 Thread-2", "Thread 1071 example.orchard", "Modules"]
    assert page.run("document.querySelector('tr.inline td:nth-child(3)').textContent").endswith(
        "(inlined)"
    )
    lacks = page.run("document.querySelector('#answer p.malformed').textContent")
    assert lacks.startswith("libold.so: no build id, so it cannot be looked up: ")


def test_a_text_in_an_unknown_form_is_told_what_is_read(page: OpenPage) -> None:
    give(page, "Segmentation fault")
    page.run("byId('ask').click()")
    page.wait(FAILED)
    told = page.run("byId('error').textContent")
    assert told.startswith("Payload has no form that can be read. Accepted are crash reports in ")
    assert told.endswith(f", such as: {RAW_LINE_EXAMPLE}")


@pytest.mark.parametrize("key", ["ctrlKey", "metaKey"])
def test_ctrl_or_cmd_with_enter_asks(page: OpenPage, key: str) -> None:
    give(page, LINE)
    page.run(
        "byId('given').dispatchEvent(new KeyboardEvent('keydown',"
        f" {{ key: 'Enter', {key}: true, bubbles: true, cancelable: true }}))"
    )
    page.wait(ANSWERED)
    assert first_function(page) == "_start + 0x20"


def drop(page: OpenPage, content: bytes) -> None:
    """Drop a file on the page."""
    page.run(
        "var data = new DataTransfer();"
        f"data.items.add(new File([new Uint8Array({list(content)})], 'crash.gz'));"
        "dispatchEvent(new DragEvent('drop', { dataTransfer: data, cancelable: true }))"
    )


def test_a_file_of_text_is_shown_and_asked(page: OpenPage) -> None:
    drop(page, LINE.encode())
    page.wait(ANSWERED)
    assert page.run("byId('given').value") == LINE
    assert first_function(page) == "_start + 0x20"


def test_a_packed_file_is_sent_as_it_is(page: OpenPage) -> None:
    packed = gzip.compress(LINE.encode())
    drop(page, packed)
    page.wait(ANSWERED)
    assert first_function(page) == "_start + 0x20"
    assert page.run("byId('given').value") == ""
    assert page.run("byId('chosen').textContent") == f"crash.gz, {len(packed)} bytes"


def test_without_a_text_nothing_is_sent(page: OpenPage) -> None:
    page.run("byId('ask').click()")
    page.wait(FAILED)
    assert page.run("byId('error').textContent").startswith("there is nothing to symbolicate")


def test_a_lost_connection_is_told_in_words(page: OpenPage) -> None:
    page.run("window.fetch = async () => { throw new TypeError('Failed to fetch'); }; 0")
    give(page, LINE)
    page.run("byId('ask').click()")
    page.wait(FAILED)
    assert page.run("byId('error').textContent").startswith("the gateway did not answer")
