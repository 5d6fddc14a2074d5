"""The gateway in the place of Eliot or Tecken: what their callers expect, against a real server."""

import json
from collections.abc import Sequence
from operator import attrgetter

import pytest

from tests.app.conftest import ROOT
from tests.gateway.asking import V4, V5, Answer, ask, get, post
from tests.gateway.peers import eliot, tecken
from tests.gateway.peers.conftest import ORIGIN
from tests.gateway.peers.expectations import Expectation, Rejection, key, report
from tests.gateway.peers.modules import BARROW, HOIST, SYMBOL_FILES, UNUSED, UNWEIGHED, WEIGHED

JSON = "application/json"

named = attrgetter("name")


def check(address: str, expected: Expectation) -> None:
    answer = post(address, expected.path, expected.document)
    assert answer.body.decode() == json.dumps(expected.answer)
    assert (answer.status, answer.headers["content-type"]) == (expected.status, JSON)


@pytest.mark.parametrize("expected", [*eliot.ANSWERED, *eliot.REFUSED], ids=named)
def test_a_request_to_eliot_is_answered_as_its_callers_expect(
    peer: str, expected: Expectation
) -> None:
    check(peer, expected)


@pytest.mark.parametrize("expected", [*tecken.ANSWERED, *tecken.REFUSED], ids=named)
def test_a_request_to_tecken_is_answered_as_its_callers_expect(
    peer: str, expected: Expectation
) -> None:
    check(peer, expected)


@pytest.mark.parametrize("rejected", [*eliot.REJECTED, *tecken.REJECTED], ids=named)
def test_an_invalid_part_fails_the_request_if_that_is_wanted(
    peer: str, rejected: Rejection
) -> None:
    strict = post(peer, f"{V5}?strict=1", rejected.document)
    assert (strict.status, strict.headers["content-type"]) == (400, JSON)
    assert strict.title.startswith(rejected.words)
    answer = post(peer, V5, rejected.document)
    assert answer.status == 200
    (result,) = answer.content["results"]
    assert result["errors"][0].startswith(rejected.error)


ROWS: Sequence[str] = sorted(
    {one.unlike for one in (*eliot.ANSWERED, *tecken.ANSWERED, *tecken.REFUSED) if one.unlike}
)
OTHER_ROWS = (
    "a module or frame that breaks a rule",
    "offsets over 64 bits",
    "web pages of other origins",
    "`Access-Control-Expose-Headers`",
    "`debug`",
    "`debug` of a request",
    "`/__version__`",
    "`/__broken__`, `/static/`",
    "`POST /`",
)
"""What the tests below expect unlike Eliot or Tecken."""


@pytest.mark.parametrize("row", [*ROWS, *OTHER_ROWS])
def test_a_difference_on_purpose_is_documented(row: str) -> None:
    guide = (ROOT / "docs" / "migration.md").read_text(encoding="utf-8")
    assert f"\n| {row} | " in guide


@pytest.mark.parametrize(
    ("method", "path", "title"),
    [
        ("GET", "/foo", "404 Not Found"),
        ("OPTIONS", "/foo", "404 Not Found"),
        ("GET", V4, "405 Method Not Allowed"),
        ("GET", V5, "405 Method Not Allowed"),
        ("POST", "/", "405 Method Not Allowed"),
        ("POST", f"{V5}/", "404 Not Found"),
        ("GET", "/__broken__", "404 Not Found"),
        ("GET", "/static/page.js", "404 Not Found"),
    ],
)
def test_an_unknown_path_or_method_is_refused_as_json(
    peer: str, method: str, path: str, title: str
) -> None:
    answer = ask(peer, method, path, b"")
    assert answer.body.decode() == json.dumps({"title": title})
    assert (answer.status, answer.headers["content-type"]) == (int(title[:3]), JSON)


@pytest.mark.parametrize("path", [V4, V5])
def test_options_are_answered_without_a_body(peer: str, path: str) -> None:
    answer = ask(peer, "OPTIONS", path, json.dumps(report([BARROW], [[0, 16]])).encode())
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["allow"] == get(peer, path).headers["allow"] == "POST, OPTIONS"


HEADERS_OF_PAGES = (
    "accept, accept-encoding, authorization, content-type, debug, dnt, origin, user-agent, "
    "x-csrftoken, x-requested-with"
)


def preflight(address: str, path: str, origin: str) -> Answer:
    return ask(
        address,
        "OPTIONS",
        path,
        None,
        Origin=origin,
        Access_Control_Request_Method="POST",
        Access_Control_Request_Headers=HEADERS_OF_PAGES,
    )


@pytest.mark.parametrize("path", [V4, V5])
def test_pages_of_listed_origins_may_send_what_eliot_and_tecken_take(peer: str, path: str) -> None:
    answer = preflight(peer, path, ORIGIN)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "POST" in answer.headers["access-control-allow-methods"]
    allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
    assert set(HEADERS_OF_PAGES.split(", ")) <= set(allowed)
    asked = post(peer, path, report([BARROW], [[0, 0x4200]]), Origin=ORIGIN)
    assert asked.headers["access-control-expose-headers"] == "Retry-After"
    assert (asked.status, asked.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert preflight(peer, path, "https://example.com").status == 403


def test_load_balancers_are_answered(peer: str) -> None:
    for path in ("/__heartbeat__", "/__lbheartbeat__", "/__version__"):
        answer = get(peer, path)
        assert (answer.status, answer.headers["content-type"]) == (200, JSON)
    assert set(get(peer, "/__version__").content) == {"name", "version"}
    page = get(peer, "/")
    assert page.status == 200
    assert page.headers["content-type"].startswith("text/html")


def test_the_content_type_of_a_request_does_not_matter(peer: str) -> None:
    document = report([BARROW], [[0, 0x4200]])
    expected = post(peer, V5, document).body
    for kind in ("text/plain;charset=UTF-8", "application/x-www-form-urlencoded", JSON):
        assert post(peer, V5, document, Content_Type=kind).body == expected


LARGE = [2**63, 2**64 - 1, 2**64, 2**80]


def test_large_offsets_are_answered_where_nothing_is_found(peer: str) -> None:
    (result,) = post(peer, V5, report([HOIST], [[0, one] for one in LARGE])).content["results"]
    (stack,) = result["stacks"]
    assert [frame["module_offset"] for frame in stack] == list(map(hex, LARGE))
    assert not any("function" in frame for frame in stack)
    assert len(result["errors"]) == 2


def test_debug_counts_each_module_once(peer: str) -> None:
    """Eliot and Tecken look a module up once for all frames, and Eliot once for all jobs."""
    job = report([WEIGHED, UNWEIGHED, UNUSED], [[0, 0x10], [1, 16], [1, 20], [0, 0x1F]])
    asked = {"jobs": [job, report([WEIGHED], [[0, 0x10]])]}
    first = post(peer, V5, asked, Debug="true").content["debug"]
    size = len(SYMBOL_FILES[tuple(WEIGHED)])
    assert (first["cache_lookups"]["count"], first["cache_lookups"]["hits"]) == (2, 0)
    assert (first["downloads"]["count"], first["downloads"]["size"]) == (2, size)
    assert first["downloads"]["size_per_module"] == {key(WEIGHED): size}
    assert list(first["downloads"]["time_per_module"]) == [key(WEIGHED)]
    assert list(first["downloads"]["fail_time_per_module"]) == [key(UNWEIGHED)]
    assert first["modules"] == {
        "count": 3,
        "stacks_per_module": {key(WEIGHED): 2, key(UNWEIGHED): 1},
    }
    seconds = first["time"], first["cache_lookups"]["time"], first["downloads"]["time"]
    assert min(seconds) > 0
    second = post(peer, V5, asked, Debug="true").content["debug"]
    assert (second["cache_lookups"]["count"], second["cache_lookups"]["hits"]) == (2, 2)
    assert {second["downloads"][name] for name in ("count", "size", "time")} == {0}
    assert second["modules"] == first["modules"]


@pytest.mark.parametrize(("value", "is_there"), [("1", True), ("yes", True), ("", False)])
def test_the_header_debug_counts_unless_it_is_empty(peer: str, value: str, is_there: bool) -> None:
    document = report([BARROW], [[0, 0x4200]])
    assert ("debug" in post(peer, V5, document, Debug=value).content) is is_there
    assert "debug" not in post(peer, V4, document, Debug=value).content
