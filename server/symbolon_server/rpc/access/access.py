"""Checks the token of each call before anything else is done for it, and tells callers apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Any, Never
from urllib.parse import unquote

import grpc

from symbolon_server.rpc.access.forwarding import find_forwarded
from symbolon_server.rpc.access.tokens import Permission, Token, Tokens
from symbolon_server.rpc.calls.accepted_calls import InPool
from symbolon_server.rpc.calls.status import refuse_plainly
from symbolon_server.telemetry.metrics import CALLS_DENIED

if TYPE_CHECKING:  # generic in the stubs only
    Handler = grpc.RpcMethodHandler[Any, Any]

OPERATOR_METHODS = frozenset(
    {
        "/symbolon.v1.ModuleService/InvalidateModules",
        "/symbolon.v1.ModuleService/PrefetchModules",
    }
)
"""Methods that change state for all callers."""

OUR_SERVICES = "/symbolon.v1."
_HEALTH = "/grpc.health.v1.Health/"
"""Needs no token: load balancers and orchestrators have none."""

NameCaller = Callable[[grpc.ServicerContext], str]
"""Returns a name that distinguishes callers."""

_HEADER = "authorization"
_SCHEME = "bearer "
_THREADS = 2


def permission_for(method: str) -> Permission | None:
    """Return the permission that a method needs, or None if any token will do."""
    if method in OPERATOR_METHODS:
        return Permission.OPERATE
    return Permission.SYMBOLICATE if method.startswith(OUR_SERVICES) else None


def name_of_peer(context: grpc.ServicerContext) -> str:
    """Return the caller's address without the port, which differs for each connection.

    For IPv6 it is the /64 network: one host has at least that, and may use any address in it.
    """
    return _name_host(context.peer().rpartition(":")[0])


@lru_cache(1 << 12)
def _name_host(host: str) -> str:
    """Return the name of a host as gRPC names it, a percent-encoded URI; each call asks for one."""
    name = unquote(host)
    address = name.removeprefix("ipv6:").strip("[]").partition("%")[0]
    try:
        found = IPv6Address(address)
    except AddressValueError:
        return name
    if found.ipv4_mapped is not None:
        return f"ipv4:{found.ipv4_mapped}"
    return f"ipv6:{IPv6Network((found, 64), strict=False)}"


class AccessControl:
    """Refuses calls without a known token, or whose token lacks the needed permission.

    If no tokens are configured, every call is allowed. Refusals run in their own threads, so that
    rejected callers take no capacity from others.
    """

    def __init__(self, tokens: Tokens | None, gateway_secret: str = "") -> None:
        """Trust calls with the `gateway_secret` to name the caller that they are made for."""
        self._tokens = tokens
        self._gateway_secret = gateway_secret
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="deny")
        self._unknown = self._refusal_with(
            grpc.StatusCode.UNAUTHENTICATED, "the token is missing or unknown"
        )
        self._denied = {
            permission: self._refusal_with(
                grpc.StatusCode.PERMISSION_DENIED,
                f"the token lacks the permission {permission.value}",
            )
            for permission in Permission
        }

    def refusal(self, details: grpc.HandlerCallDetails) -> Handler | None:
        """Return the function that refuses a call, or None if the call is allowed."""
        if self._tokens is None or details.method.startswith(_HEALTH):
            return None
        token = self._find_token(self._tokens, details.invocation_metadata)
        if token is None:
            return self._unknown
        permission = permission_for(details.method)
        if permission is None or permission in token.may:
            return None
        return self._denied[permission]

    def name_of(self, context: grpc.ServicerContext) -> str:
        """Return the name of a call's token; empty if no tokens are configured."""
        if self._tokens is None:
            return ""
        token = self._find_token(self._tokens, context.invocation_metadata())
        return token.name if token else ""

    def name_caller(self, context: grpc.ServicerContext) -> str:
        """Return the name of a caller's token, or its address if no tokens are configured."""
        name = self.name_of(context)
        if not name and self._gateway_secret:
            name = find_forwarded(self._gateway_secret, context.invocation_metadata())
        return name or name_of_peer(context)

    def release(self) -> None:
        """End the threads; the server has stopped."""
        self._threads.shutdown()

    @staticmethod
    def _find_token(
        tokens: Tokens, metadata: Iterable[tuple[str, str | bytes]] | None
    ) -> Token | None:
        values = [value for key, value in metadata or () if key == _HEADER]
        if len(values) != 1 or not isinstance(values[0], str):
            return None
        if not values[0].lower().startswith(_SCHEME):
            return None
        return tokens.find(values[0][len(_SCHEME) :])

    def _refusal_with(self, code: grpc.StatusCode, message: str) -> Handler:
        denied = CALLS_DENIED.labels(code.name)

        def refuse(_requests: Iterator[bytes], context: grpc.ServicerContext) -> Never:
            denied.inc()
            refuse_plainly(context, code, message)

        # A handler of streams can refuse before the request's message has arrived.
        return grpc.stream_stream_rpc_method_handler(InPool(refuse, self._threads))
