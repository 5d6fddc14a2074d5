"""A page of another origin in a real browser, with the requests of the Firefox Profiler."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.app.conftest import SAMPLE, StartProgram
from tests.gateway.asking import ORCHARD, await_http
from tests.gateway.browsing import needs_chromium, open_page

OTHER_HOST = "127.0.0.2"
"""For a browser, another site than the gateway's."""

DEBUG_FILE, DEBUG_ID = ORCHARD
OFFSETS = 0x11CB, 4272

PAGE = """<!doctype html><title>A profiler</title><pre></pre><script>
// One job for each library, with all offsets of it in one stack; the body is text to the browser.
const stacks = [OFFSETS.map(offset => [0, offset])];
const body = JSON.stringify({jobs: [{memoryMap: [[FILE, ID]], stacks}]});
async function ask(headers) {
  try {
    const options = {body, method: "POST", mode: "cors", headers};
    const response = await fetch(SERVER + "/symbolicate/v5", options);
    return {status: response.status, content: await response.json()};
  } catch (error) {
    return {error: String(error)};
  }
}
(async () => {
  const plain = await ask({});
  const named = await ask({"User-Agent": "A profiler", "Content-Type": "application/json"});
  document.querySelector("pre").textContent = JSON.stringify({plain, named});
})();
</script>"""


@contextmanager
def profiler() -> Iterator[ThreadingHTTPServer]:
    """The server of a page that calls a symbol server."""
    server = ThreadingHTTPServer((OTHER_HOST, 0), _Page)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        page = PAGE
        values = {
            "FILE": DEBUG_FILE,
            "ID": DEBUG_ID,
            "OFFSETS": OFFSETS,
            "SERVER": f"http://{self.path.strip('/')}",
        }
        for name, value in values.items():
            page = re.sub(rf"\b{name}\b", json.dumps(value), page)
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        """Say nothing."""


def ask_from(page: ThreadingHTTPServer, gateway: str, folder: Path) -> Any:
    """Return the results of the two requests of a page in a browser."""
    shown = open_page(f"{origin_of(page)}/{gateway}", folder)
    found = re.search("<pre>(.+?)</pre>", shown, re.DOTALL)
    assert found is not None, shown
    return json.loads(unescape(found[1]))


def origin_of(page: ThreadingHTTPServer) -> str:
    return f"http://{OTHER_HOST}:{page.server_port}"


@pytest.mark.promise("Only pages of allowed origins can use the gateway from a browser")
@needs_chromium
def test_the_profiler_is_answered_on_a_page_of_an_allowed_origin(
    serve: StartProgram, tmp_path: Path
) -> None:
    """The second request has headers that need a preflight."""
    with profiler() as page:
        gateway = await_http(serve(http="127.0.0.1:0", http_origins=origin_of(page)))
        asked = ask_from(page, gateway, tmp_path / "profile")
    for answer in (asked["plain"], asked["named"]):
        assert answer["status"] == 200, answer
        (result,) = answer["content"]["results"]
        assert result["found_modules"][f"{DEBUG_FILE}/{DEBUG_ID}"]
        (stack,) = result["stacks"]
        assert [frame["function"] for frame in stack] == [
            "orchard::ship(orchard::Crate const*, int)",
            "_start",
        ]
        assert stack[0]["inlines"][0]["function"] == "price"


@pytest.mark.promise("Only pages of allowed origins can use the gateway from a browser")
@needs_chromium
def test_a_page_of_another_origin_gets_no_answer_and_starts_no_ingest(
    serve: StartProgram, tmp_path: Path
) -> None:
    program = serve(http="127.0.0.1:0", suppliers=str(SAMPLE / "symbols"))
    gateway = await_http(program)
    with profiler() as page:
        asked = ask_from(page, gateway, tmp_path / "profile")
    for answer in (asked["plain"], asked["named"]):
        assert answer == {"error": "TypeError: Failed to fetch"}
    assert "ingest_ended" not in program.log
