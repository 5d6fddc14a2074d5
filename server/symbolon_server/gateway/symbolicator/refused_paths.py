"""The paths of Symbolicator that are not answered, and what to use instead."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Never

from starlette.requests import Request
from starlette.routing import Route

from symbolon_server.gateway.refusals import Refused

_NATIVE_ONLY = "only native stacks are symbolicated, by POST /symbolicate"

_POSTS: Mapping[str, str] = {
    "/minidump": "minidumps are not read; walk the minidump, for example with minidump-stackwalk, "
    "and send its output to /symbolicate/text",
    "/applecrashreport": "send the crash report itself to /symbolicate/text",
    "/symbolicate-js": _NATIVE_ONLY,
    "/symbolicate-jvm": _NATIVE_ONLY,
    "/symbolicate-any": _NATIVE_ONLY,
}

_NO_PROXY = "symbol files are not served; ask the symbol servers themselves"


def refused_routes() -> list[Route]:
    """Return the routes, which answer 501 with a sentence before any body is read."""
    posts = [Route(path, _refuse_with(reason), methods=["POST"]) for path, reason in _POSTS.items()]
    return [*posts, Route("/proxy/{path:path}", _refuse_with(_NO_PROXY))]


def _refuse_with(reason: str) -> Callable[[Request], Awaitable[Never]]:
    async def refuse(_request: Request) -> Never:
        raise Refused(501, reason)

    return refuse
