"""Describes failed HTTP requests without quoting the libraries' exceptions.

Their texts contain whole URLs, with credentials and queries.
"""

import os
import ssl
from collections.abc import Iterator
from http.client import IncompleteRead

import requests
import urllib3.exceptions as urllib3_errors

_TIMEOUTS = (requests.Timeout, urllib3_errors.ReadTimeoutError, TimeoutError)
"""Not urllib3's base class of timeouts, which is also that of a refused connection."""

_TLS_ERRORS = (ssl.SSLError, urllib3_errors.SSLError, requests.exceptions.SSLError)
_BAD_URLS = (requests.exceptions.InvalidURL, UnicodeError)


def describe_trouble(error: BaseException) -> str:
    """Return one line for humans about an error of requests, urllib3 or a socket."""
    causes = list(_causes(error))
    for kinds, text in _DESCRIPTIONS:
        if any(isinstance(cause, kinds) for cause in causes):
            return text
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {cause.verify_message}"
    if any(isinstance(cause, _TLS_ERRORS) for cause in causes):
        return "TLS failed"
    for cause in causes:
        if isinstance(cause, OSError) and isinstance(cause.errno, int):
            return os.strerror(cause.errno).lower()
    return "the connection was lost"


_DESCRIPTIONS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (urllib3_errors.NameResolutionError, "its host name cannot be resolved"),
    (requests.ConnectTimeout, "timed out connecting"),
    (_TIMEOUTS, "timed out"),
    ((requests.exceptions.ProxyError, urllib3_errors.ProxyError), "the proxy failed"),
    (
        (IncompleteRead, urllib3_errors.IncompleteRead),
        "the connection was lost midway",
    ),
    (_BAD_URLS, "its URL is invalid"),
)
"""The first entry that matches any cause is used, so specific ones come first."""


def is_worth_a_retry(error: BaseException) -> bool:
    """Return whether an immediate retry may succeed.

    Not after a timeout: it already took the time of many attempts.
    """
    causes = list(_causes(error))
    hopeless = (*_TIMEOUTS, *_BAD_URLS, ssl.SSLError)
    is_connection = any(
        isinstance(cause, (requests.ConnectionError, urllib3_errors.ProtocolError))
        for cause in causes
    )
    return is_connection and not any(isinstance(cause, hopeless) for cause in causes)


def is_about_url(error: BaseException) -> bool:
    """Return whether no request was sent because a URL is invalid."""
    return any(isinstance(cause, _BAD_URLS) for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its causes, outermost first.

    urllib3 and requests keep a cause in `reason` or `args` as often as in `__cause__`.
    """
    waiting, seen = [error], set()
    while waiting:
        cause = waiting.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        linked = (cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args)
        waiting.extend(link for link in linked if isinstance(link, BaseException))
