"""A supplier that is a symbol server, reached over HTTP."""

import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy

import requests
import urllib3
from requests.auth import AuthBase

from symbolon_server.suppliers.contents.errors import (
    ABSENT,
    BrokenSymbolFileError,
    CutSymbolFileError,
    FailingSupplierError,
    MissingSymbolFileError,
    UnavailableSymbolFileError,
)
from symbolon_server.suppliers.contents.limits import FetchLimits, describe_bytes
from symbolon_server.suppliers.contents.supplier import SymbolFileStream
from symbolon_server.suppliers.layouts.layout import CandidatePath, quote_path
from symbolon_server.suppliers.layouts.options import SupplierOptions
from symbolon_server.suppliers.layouts.symbol_servers import NOT_FOLLOWED, is_pointer
from symbolon_server.suppliers.web.http_trouble import (
    describe_trouble,
    is_about_url,
    is_worth_a_retry,
)
from symbolon_server.suppliers.web.public_addresses import is_public
from symbolon_server.suppliers.web.redirect_guard import GuardedAdapter, RedirectGuard
from symbolon_server.suppliers.web.retries import RetryPolicy, parse_retry_after
from symbolon_server.suppliers.web.signing import Sign
from symbolon_server.suppliers.web.urls import InvalidUrlError, ServerUrl
from symbolon_server.symbols.ground.asked_modules import AskedModule

MAX_REDIRECTS = 5

_MISSING = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_WORTH_A_RETRY = frozenset({408, 429, 500, 502, 503, 504})
_REFUSALS: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "",
    HTTPStatus.FORBIDDEN: "; if it answers 403 for what it does not have, add #absent=403",
}
"""Statuses that mean "no access", with a hint for the operator."""

_PIECE_BYTES = 64 * 1024
_DRAINED_PIECES = 4
"""How much of the body of a 404 is read to keep the connection; a longer one closes it."""

_MAX_LENGTH_DIGITS = 20


class _RetryableError(FailingSupplierError):
    """The server failed, but may answer in a moment."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Clock, randomness and the internet, which tests replace."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep
    random: Callable[[], float] = field(default=random.SystemRandom().random)
    """Uniform between 0 and 1, from a source that forks do not share."""

    is_public: Callable[[str], bool] = is_public
    """Whether an address is reachable from everywhere on the internet."""


class _Credentials(AuthBase):
    """Adds the headers for one server to a request.

    Passing any `auth` also stops requests from reading the user's .netrc.
    """

    def __init__(self, headers: Mapping[str, str], sign: Sign | None = None) -> None:
        self._headers = headers
        self._sign = sign

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        if self._sign is not None:
            self._sign(request)
        return request


class HttpSupplier:
    """A symbol server; each response is a symbol file, missing or unavailable.

    Only 404 and 410 mean missing, and 403 if the options say so. S3 answers 403 for a missing key
    if the credentials do not allow listing the bucket, but other servers do so for expired
    credentials: counted as missing, these would make every module missing.
    """

    def __init__(
        self,
        url: ServerUrl,
        user_agent: str,
        limits: FetchLimits | None = None,
        retries: RetryPolicy | None = None,
        surroundings: Surroundings | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        options: SupplierOptions | None = None,
        sign: Sign | None = None,
    ) -> None:
        """Use the server at `url` according to `options`.

        It alone gets the `headers`, and requests that `sign` has signed. Connects at the first
        fetch.
        """
        self._url = url
        self._user_agent = user_agent
        self._options = options or SupplierOptions()
        self._limits = limits or FetchLimits()
        self._retries = retries or RetryPolicy()
        self._surroundings = surroundings or Surroundings()
        self._guard = RedirectGuard(url, self._surroundings.is_public)
        own = {"Authorization": url.authorization} if url.authorization else {}
        self._credentials = _Credentials(own | dict(headers or {}), sign)
        self._session: tuple[int, requests.Session] | None = None

    @property
    def name(self) -> str:
        """Host and path of the server, without credentials or query."""
        return str(self._url)

    def candidates(self, asked: AskedModule) -> Sequence[CandidatePath]:
        """Return the paths of the layouts, in the casing of the options."""
        return self._options.candidates(asked)

    def lacks(self, asked: AskedModule) -> str:
        """Return what the layouts need and the request does not have."""
        return self._options.lacks(asked)

    @contextmanager
    def fetch(self, candidate: CandidatePath) -> Iterator[SymbolFileStream]:
        """Yield the file as it arrives."""
        deadline = self._surroundings.clock() + self._limits.total_seconds
        response = self._ask_with_retries(quote_path(candidate.parts), deadline)
        try:
            if is_pointer(candidate):
                raise MissingSymbolFileError(NOT_FOLLOWED)
            self._check_length(response)
            sent = self._read_pieces(response, deadline)
            yield SymbolFileStream(sent, self._limits)
        except CutSymbolFileError as error:
            if _has_length(response):
                raise
            # The server marks the end by closing; this may also be a lost connection.
            raise UnavailableSymbolFileError(f"{error}, or the connection was lost") from None
        finally:
            response.close()

    def _ask_with_retries(self, path: str, deadline: float) -> requests.Response:
        attempt = 1
        while True:
            try:
                return self._ask(self._url.at(path), deadline)
            except _RetryableError as error:
                wanted = error.retry_after_seconds
                pause = self._retries.pause_seconds(attempt, wanted, self._surroundings.random)
                if pause is None or self._surroundings.clock() + pause >= deadline:
                    raise
            self._surroundings.sleep(pause)
            attempt += 1

    def _ask(self, target: ServerUrl, deadline: float) -> requests.Response:
        """Return the response with the symbol file, after any redirects."""
        for _ in range(MAX_REDIRECTS + 1):
            response = self._get(target, deadline)
            if response.status_code == HTTPStatus.OK:
                return response
            _drain(response)
            if response.status_code not in _REDIRECTS:
                raise _refusal(response, self._options)
            try:
                target = target.follow(response.headers.get("Location", ""))
            except InvalidUrlError as error:
                raise UnavailableSymbolFileError(f"redirects to a URL that {error}") from None
            self._guard.check_target(target)
        raise UnavailableSymbolFileError(f"redirects more than {MAX_REDIRECTS} times")

    def _get(self, target: ServerUrl, deadline: float) -> requests.Response:
        left = deadline - self._surroundings.clock()
        if left <= 0:
            raise UnavailableSymbolFileError(self._too_slow())
        timeouts = (
            min(self._limits.connect_seconds, left),
            min(self._limits.read_seconds, left),
        )
        # Credentials are sent to the supplier's own origin only.
        is_own = target.has_origin_of(self._url)
        credentials = self._credentials if is_own else _Credentials({})
        try:
            return self._get_session().get(
                target.to_ask(),
                auth=credentials,
                stream=True,
                allow_redirects=False,
                timeout=timeouts,
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
            raise _trouble(error) from None

    def _get_session(self) -> requests.Session:
        """Return the session of this process: connections must not be shared across a fork."""
        if self._session is None or self._session[0] != os.getpid():
            session = _new_session(self._user_agent)
            guarded = GuardedAdapter(self._guard.check_address)
            session.mount("http://", guarded)
            session.mount("https://", guarded)
            # The operator chose the supplier's own address, so it may be private if it stays so.
            session.mount(self._url.origin, GuardedAdapter(self._guard.check_own_address))
            self._session = (os.getpid(), session)
        return self._session[1]

    def _check_length(self, response: requests.Response) -> None:
        length = response.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            return
        limit = self._limits.max_sent_bytes
        # int() raises for thousands of digits.
        if len(length) > _MAX_LENGTH_DIGITS or int(length) > limit:
            raise BrokenSymbolFileError(f"is larger than {describe_bytes(limit)}")

    def _read_pieces(self, response: requests.Response, deadline: float) -> Iterator[bytes]:
        """Yield the body as sent, each piece as soon as it arrives.

        `read` would return only with all requested bytes: at one byte a second the deadline would
        be checked once in hours. `read1` returns what has arrived.
        """
        raw: urllib3.response.BaseHTTPResponse = response.raw
        clock, least = self._surroundings.clock, self._limits.min_bytes_per_second
        pace = Pace(self._limits.read_seconds, least)
        while (asked_at := clock()) < deadline:
            try:
                piece = raw.read1(_PIECE_BYTES, decode_content=False)
            except (urllib3.exceptions.HTTPError, HTTPException, OSError) as error:
                raise FailingSupplierError(describe_trouble(error)) from None
            if not piece:
                return
            if pace.is_too_slow(len(piece), clock() - asked_at):
                raise FailingSupplierError(f"sends less than {describe_bytes(least)} a second")
            yield piece
        raise UnavailableSymbolFileError(self._too_slow())

    def _too_slow(self) -> str:
        return f"took longer than {self._limits.total_seconds:g} s"


@dataclass(slots=True)
class Pace:
    """The transfer rate of one response; used by one thread.

    Only the time spent waiting for the server counts, not the time that the reader takes.
    """

    window_seconds: float
    """Waiting time after which the rate is checked, and measured again."""

    min_bytes_per_second: float
    _waited_seconds: float = 0.0
    _bytes: int = 0

    def is_too_slow(self, count: int, waited_seconds: float) -> bool:
        """Add `count` bytes; return whether a window ended with too few."""
        self._bytes += count
        self._waited_seconds += waited_seconds
        if self._waited_seconds < self.window_seconds:
            return False
        is_too_slow = self._bytes < self.min_bytes_per_second * self._waited_seconds
        self._bytes, self._waited_seconds = 0, 0.0
        return is_too_slow


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002 - as inherited
        """Return None: no response is a redirect for requests.

        Even with `allow_redirects=False` it would prepare the next request, and for that read the
        whole body of a redirect into memory.
        """
        return None


def _new_session(user_agent: str) -> requests.Session:
    session = _Session()
    session.headers = requests.structures.CaseInsensitiveDict(
        {"User-Agent": user_agent, "Accept": "*/*", "Accept-Encoding": "gzip, zstd"}
    )
    # No cookie is sent to another server, or changes the next response.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


def _trouble(error: Exception) -> UnavailableSymbolFileError:
    """Return the error for a request without a response."""
    if is_worth_a_retry(error):
        return _RetryableError(describe_trouble(error))
    kind = UnavailableSymbolFileError if is_about_url(error) else FailingSupplierError
    return kind(describe_trouble(error))


def _refusal(response: requests.Response, options: SupplierOptions) -> Exception:
    """Return the error for a status that is neither 200 nor a redirect."""
    status = response.status_code
    if status in _MISSING:
        return MissingSymbolFileError()
    if status == HTTPStatus.FORBIDDEN and options.is_403_absent:
        return MissingSymbolFileError(f"{ABSENT} (HTTP 403)")
    if status in _REFUSALS:
        return UnavailableSymbolFileError(f"refuses access (HTTP {status}){_REFUSALS[status]}")
    detail = f"answers HTTP {status}"
    if status in _WORTH_A_RETRY:
        return _RetryableError(detail, parse_retry_after(response.headers))
    return UnavailableSymbolFileError(detail)


def _drain(response: requests.Response) -> None:
    """Read a short rest of a response, so that its connection can be reused."""
    try:
        for _ in range(_DRAINED_PIECES):
            if not response.raw.read1(_PIECE_BYTES, decode_content=False):
                break
    except (urllib3.exceptions.HTTPError, HTTPException, OSError):
        pass  # the status is known; close() below drops the broken connection
    response.close()


def _has_length(response: requests.Response) -> bool:
    is_chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
    return is_chunked or "Content-Length" in response.headers
