"""The page for pasting a stack: one document that loads nothing else."""

import json
import re
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from html import escape
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

_SOURCE_LINKS: Mapping[str, str] = {
    "hg.mozilla.org": "https://hg.mozilla.org/{repository}/file/{revision}/{path}#l{line}",
    "github.com": "https://github.com/{repository}/blob/{revision}/{path}#L{line}",
    "gitlab.com": "https://gitlab.com/{repository}/-/blob/{revision}/{path}#L{line}",
}
"""From hosts of version control to the address of a line in a file there."""

_PAGE = files("symbolon_server.gateway").joinpath("page.html").read_text(encoding="utf-8")
_NO_LINKS = 'content="{}"'


def _hashes(tag: str) -> str:
    """Return the CSP sources that allow only the page's own elements of this tag."""
    texts = re.findall(rf"<{tag}>(.*?)</{tag}>", _PAGE, re.DOTALL)
    digests = (b64encode(sha256(text.encode()).digest()).decode() for text in texts)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; script-src {_hashes('script')}; style-src {_hashes('style')}; "
        "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def page_answerer(
    source_links: Mapping[str, str],
) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers with the page; `source_links` precede its own."""
    links = escape(json.dumps({**_SOURCE_LINKS, **source_links}))
    page = _PAGE.replace(_NO_LINKS, _NO_LINKS.replace("{}", links))

    async def answer_page(_request: Request) -> Response:
        return HTMLResponse(page, headers=_HEADERS)

    return answer_page
