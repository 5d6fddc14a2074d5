"""Which requests are admitted: decided by their headers, before the body is read."""

import time
from collections.abc import Callable, Collection
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from symbolon_server.gateway.refusals import Refused, answer_to
from symbolon_server.telemetry.logs import EventLog

HEALTH_PATHS = frozenset({"/__heartbeat__", "/__lbheartbeat__", "/healthcheck"})
"""Answered however many requests are in progress: they say whether the gateway is alive."""

RETRY_AFTER = {"Retry-After": "1"}
_CLOSE = {"Connection": "close"}

_SECONDS_PER_LINE = 60.0
"""Between log lines about refusals: callers cannot fill the log."""

_log = EventLog(__name__)


class RequestLimit:
    """Refuses requests while as many as allowed are in progress, so that memory stays bounded.

    Only requests count, not connections: those between two requests hold nothing. One event loop
    makes all calls, so there is no lock.
    """

    def __init__(
        self, app: ASGIApp, max_requests: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Let `app` answer `max_requests` at a time."""
        self._app = app
        self._max_requests = max_requests
        self._clock = clock
        self._in_progress = 0
        self._refused = 0
        self._next_line = clock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["path"] in HEALTH_PATHS:
            await self._app(scope, receive, send)
            return
        if self._in_progress >= self._max_requests:
            self._note_refusal()
            refused = Refused(503, "too many requests are in progress; try again", RETRY_AFTER)
            await answer_to(refused)(scope, receive, send)
            return
        self._in_progress += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._in_progress -= 1

    def _note_refusal(self) -> None:
        self._refused += 1
        now = self._clock()
        if now >= self._next_line:
            _log.warning("requests_refused", count=self._refused, limit=self._max_requests)
            self._refused = 0
            self._next_line = now + _SECONDS_PER_LINE


class Admission:
    """Refuses ambiguous requests, unknown hosts, and requests from pages of foreign origins.

    A page of any origin can make a browser send requests to this machine or its network: by
    pointing its own host name at our address (DNS rebinding), or with a request that needs no
    preflight and whose answer it does not read. The checked headers are set by the browser, and
    no page can forge them.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str], origins: Collection[str]) -> None:
        """Admit requests for `hosts` or this machine, from pages of its own or of `origins`."""
        self._app = app
        self._hosts = frozenset(map(_without_brackets, hosts)) | {"localhost"}
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            self._check(scope, Headers(scope=scope))
        except Refused as refused:
            await answer_to(refused)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope, headers: Headers) -> None:
        _check_framing(scope, headers)
        hosts = headers.getlist("host")
        if not all(self._is_own(host, scope) for host in hosts):
            raise Refused(
                421, "this host is not served; to serve it, add it to SYMBOLON_HTTP_HOSTS"
            )
        self._check_page(scope, headers)

    def _is_own(self, host: str, scope: Scope) -> bool:
        """Return whether a `Host` names this machine: by its address, or by a listed name."""
        name = _name_in(host)
        if name in self._hosts:
            return True
        address = _address_in(name)
        if address is None:
            return False
        reached, _ = scope.get("server") or ("", 0)
        return address.is_loopback or address == _address_in(reached)

    def _check_page(self, scope: Scope, headers: Headers) -> None:
        """Raise `Refused` for requests that a page of a foreign origin makes its browser send."""
        origins = headers.getlist("origin")
        if not origins:
            is_foreign = headers.get("sec-fetch-site") == "cross-site"
            if is_foreign and not _is_link_followed(scope, headers):
                raise Refused(403, "pages of other sites may not call the gateway")
        elif len(origins) > 1 or not self._may_call(origins[0], headers):
            raise Refused(
                403,
                "pages of this origin may not call the gateway; "
                "to allow them, add the origin to SYMBOLON_HTTP_ORIGINS",
            )

    def _may_call(self, origin: str, headers: Headers) -> bool:
        """Return whether pages of an origin may call; those of our own always may.

        The scheme is not compared: behind a proxy that terminates TLS, ours is `http`.
        """
        if origin in self._origins:
            return True
        _, separator, own = origin.partition("://")
        return bool(separator and own) and own == headers.get("host", "").lower()


def _check_framing(scope: Scope, headers: Headers) -> None:
    """Raise `Refused` if a proxy could see the body end, or the host, elsewhere.

    As RFC 9112 says in sections 2.3, 3.2 and 6.1.
    """
    if scope["http_version"] not in {"1.0", "1.1"}:
        raise Refused(505, "the version of HTTP must be 1.0 or 1.1", _CLOSE)
    hosts = len(headers.getlist("host"))
    if hosts > 1 or (not hosts and scope["http_version"] == "1.1"):
        raise Refused(400, "a request names one host", _CLOSE)
    if "transfer-encoding" not in headers:
        return
    if "content-length" in headers or scope["http_version"] == "1.0":
        raise Refused(400, "the length of the body is ambiguous", _CLOSE)
    if [coding.lower() for coding in headers.getlist("transfer-encoding")] != ["chunked"]:
        raise Refused(501, "the only transfer coding must be chunked", _CLOSE)


def _is_link_followed(scope: Scope, headers: Headers) -> bool:
    """Return whether a person followed a link: the answer is shown, and no page can read it."""
    return scope["method"] in {"GET", "HEAD"} and headers.get("sec-fetch-mode") == "navigate"


def _name_in(host: str) -> str:
    """Return the host in a `Host` header, without port and IPv6 brackets."""
    name = host.lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].removesuffix(".")


def _without_brackets(host: str) -> str:
    return host.lower().removeprefix("[").removesuffix("]")


@lru_cache
def _address_in(name: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(name)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
