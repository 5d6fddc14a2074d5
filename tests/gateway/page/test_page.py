"""The page, in a real browser."""

import asyncio
import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from symbolon_server.gateway.answering_page import page_answerer
from tests.app.conftest import SAMPLE
from tests.gateway.asking import ORCHARD, get
from tests.gateway.browsing import needs_chromium, open_page
from tests.gateway.in_process import Asgi

SHIP = "orchard::ship(orchard::Crate const*, int)"

Look = Callable[[str], str]


@pytest.fixture
def look(gateway: str, tmp_path: Path) -> Look:
    """Return the page for a text, as HTML."""

    def look_at(text: str) -> str:
        return open_page(f"http://{gateway}/#{quote(text, safe='')}", tmp_path / "profile")

    return look_at


def rows(page: str) -> list[list[str]]:
    """Return the cells of each row of all tables, as text."""
    found = re.findall(r"<tr[^>]*>(.*?)</tr>", page.partition("<main")[2].partition("</main")[0])
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in found if "<td" in row]
    return [
        [
            re.sub(r'<button class="fold".*?</button>|</?(?:span|a|button)\b[^>]*>', "", one)
            for one in row
        ]
        for row in cells
    ]


@pytest.mark.promise("The page of the gateway runs nothing that a name contains", group="access")
@needs_chromium
def test_a_raw_stack_is_shown_with_its_functions_and_the_outcome_of_each_module(look: Look) -> None:
    orchard = "/".join(ORCHARD)
    missing = "<img src=x>.pdb/0123456789ABCDEF0123456789ABCDEF1"
    page = look(f"{orchard} 0x11cb\n\n{missing} 18446744073709551615\n{orchard} 4272\n")
    assert 'data-state="answered"' in page
    assert rows(page)[:4] == [
        ["0", "orchard", "price (inlined)", "orchard/shipping.cpp:10"],
        [
            "0",
            "orchard",
            f"{SHIP} + 0x2b",
            "orchard/shipping.cpp:19",
        ],
        ["1", "&lt;img src=x&gt;.pdb", "0xffffffffffffffff (module missing)", ""],
        ["2", "orchard", "_start + 0x20", ""],
    ]
    modules = rows(page)[4:]
    assert [row[:2] for row in modules] == [
        [orchard, "found"],
        [missing.replace("<", "&lt;").replace(">", "&gt;"), "missing"],
    ]
    assert modules[1][2].startswith("no supplier has it") or "ask again" in modules[1][2]


@needs_chromium
def test_invalid_parts_are_shown_beside_the_answers(look: Look) -> None:
    path = f"C:\\out dir\\{'/'.join(ORCHARD)}"
    long = f"/usr/lib/{'x' * 300}.so/ABC"
    page = look(f"{path} 0x10b0\n{long} 0x7\n{path} 99999999999999999999\n")
    assert [row[2] for row in rows(page)[:3]] == [
        "_start + 0x20",
        "0x7 (not looked up)",
        "0x56bc75e2d630fffff (not looked up)",
    ]
    assert [row[:2] for row in rows(page)[3:]] == [[path, "found"], [long, "missing"]]
    assert rows(page)[4][2] == "not looked up: the debug file: it has 303 bytes, the limit is 255"
    assert ">module index 1 has an invalid debug_filename: it has 303 bytes" in page
    assert ">stack 0 frame 2 has an invalid module_offset<" in page


@needs_chromium
def test_a_guid_with_dashes_and_braces_is_a_debug_id(look: Look) -> None:
    guid = "{c3d8e3c7-b659-4df1-dfca-907993b47725}"
    page = look(f"orchard/{guid} 4272\n")
    assert rows(page) == [
        ["0", "orchard", "_start + 0x20", ""],
        [f"orchard/{guid}", "found", ""],
    ]


@needs_chromium
def test_a_report_in_json_is_shown(look: Look) -> None:
    crash = json.loads((SAMPLE / "crash.json").read_text())
    page = look(json.dumps({"jobs": crash["jobs"] * 2}))
    assert "Report 2: Stack 1" in page
    assert page.count("orchard/main.cpp:27") == 2


@needs_chromium
def test_a_line_that_cannot_be_read_is_shown_below_the_answers(look: Look) -> None:
    page = look(f"{'/'.join(ORCHARD)} 0x10b0\nwhat?")
    assert 'data-state="answered"' in page
    assert rows(page)[0][2] == "_start + 0x20"
    assert ">line 2 is not &lt;debug file&gt;/&lt;DEBUG ID&gt; &lt;offset&gt;<" in page


@needs_chromium
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("what?", "Payload has no form that can be read. "),
        ('{"jobs": 7}', "jobs must be a list"),
    ],
)
def test_unreadable_input_is_reported(look: Look, text: str, said: str) -> None:
    page = look(text)
    assert f'role="alert">{said}' in page
    assert 'data-state="failed"' in page


def test_the_page_loads_nothing_else_and_its_policy_forbids_it(gateway: str) -> None:
    page = get(gateway, "/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("default-src 'none'; ")
    loaded = re.sub(rb'<meta name="source-links".*?>', b"", page.body)
    assert re.findall(rb"https?://(?!example\.com)|@import|<script src|url\(", loaded) == []


def test_source_links_cannot_end_their_attribute() -> None:
    links = {"git.example": 'https://git.example/"><script>{path}'}
    app = Starlette(routes=[Route("/", page_answerer(links))])
    told = asyncio.run(body_of(app)).decode()
    content = told.partition('name="source-links" content="')[2].partition('"')[0]
    shown = json.loads(unescape(content))
    assert shown["git.example"] == links["git.example"]
    assert set(shown) == {"hg.mozilla.org", "github.com", "gitlab.com", "git.example"}


async def body_of(app: ASGIApp) -> bytes:
    asgi = Asgi(b"")
    await app(
        {"type": "http", "method": "GET", "path": "/", "headers": []}, asgi.receive, asgi.send
    )
    return b"".join(message.get("body", b"") for message in asgi.messages)
