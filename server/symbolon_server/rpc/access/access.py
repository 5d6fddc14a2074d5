"""Who may call what: the token of each call, before anything is done for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import AddressValueError, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Any, Never
from urllib.parse import unquote

import grpc

from symbolon_server.rpc.access.forwarded import find_forwarded
from symbolon_server.rpc.access.tokens import Permission, Token, Tokens
from symbolon_server.rpc.calls.in_pool import InPool
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
"""What changes something for all callers."""

_OUR_SERVICES = "/symbolon.v1."
_HEALTH = "/grpc.health.v1.Health/"
"""For everybody: balancers and orchestrators have no tokens, and it tells nothing else."""

NameCaller = Callable[[grpc.ServicerContext], str]
"""Returns what a caller is told apart by."""

_HEADER = "authorization"
_SCHEME = "bearer "
_THREADS = 2


def permission_for(method: str) -> Permission | None:
    """Return what a token must be good for to call a method, None where any token does."""
    if method in OPERATOR_METHODS:
        return Permission.OPERATE
    return Permission.SYMBOLICATE if method.startswith(_OUR_SERVICES) else None


def name_of_peer(context: grpc.ServicerContext) -> str:
    """Return the address of a caller without its port, which each connection has another of.

    Of IPv6 the network that one host has at least, a /64, in which it may take any address.
    """
    name = unquote(context.peer().rpartition(":")[0])
    address = name.removeprefix("ipv6:").strip("[]").partition("%")[0]
    try:
        host = IPv6Address(address)
    except AddressValueError:
        return name
    if host.ipv4_mapped is not None:
        return f"ipv4:{host.ipv4_mapped}"
    return f"ipv6:{IPv6Network((host, 64), strict=False)}"


class AccessControl:
    """Refuses calls without a token that the server knows, or whose token is not good for them.

    Without tokens it lets everybody through. Refusals have threads of their own, so that who
    is not let in takes no place of those who are.
    """

    def __init__(self, tokens: Tokens | None, gateway_secret: str = "") -> None:
        """Believe calls with the `gateway_secret` on whose behalf they are made."""
        self._tokens = tokens
        self._gateway_secret = gateway_secret
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="deny")
        self._strange = self._refusal_with(
            grpc.StatusCode.UNAUTHENTICATED, "no token that this server knows"
        )
        self._denied = {
            permission: self._refusal_with(
                grpc.StatusCode.PERMISSION_DENIED, f"this token may not {permission.value}"
            )
            for permission in Permission
        }

    def refusal(self, details: grpc.HandlerCallDetails) -> Handler | None:
        """Return the function that refuses a call, or None for one that may be made."""
        if self._tokens is None or details.method.startswith(_HEALTH):
            return None
        token = self._find_token(self._tokens, details.invocation_metadata)
        if token is None:
            return self._strange
        permission = permission_for(details.method)
        if permission is None or permission in token.may:
            return None
        return self._denied[permission]

    def name_of(self, context: grpc.ServicerContext) -> str:
        """Return the name of the token that a call was let in by; empty where none is wanted."""
        if self._tokens is None:
            return ""
        token = self._find_token(self._tokens, context.invocation_metadata())
        return token.name if token else ""

    def name_caller(self, context: grpc.ServicerContext) -> str:
        """Return the name of a caller's token, or its address where none is wanted."""
        return (
            self.name_of(context)
            or find_forwarded(self._gateway_secret, context.invocation_metadata())
            or name_of_peer(context)
        )

    def release(self) -> None:
        """End the threads; the server has stopped."""
        self._threads.shutdown()

    @staticmethod
    def _find_token(
        tokens: Tokens, metadata: Iterable[tuple[str, str | bytes]] | None
    ) -> Token | None:
        said = [value for key, value in metadata or () if key == _HEADER]
        if len(said) != 1 or not isinstance(said[0], str):
            return None
        if not said[0].lower().startswith(_SCHEME):
            return None
        return tokens.find(said[0][len(_SCHEME) :])

    def _refusal_with(self, code: grpc.StatusCode, message: str) -> Handler:
        denied = CALLS_DENIED.labels(code.name)

        def refuse(_requests: Iterator[bytes], context: grpc.ServicerContext) -> Never:
            denied.inc()
            refuse_plainly(context, code, message)

        # A handler of streams gets to refuse before the request's message has arrived.
        return grpc.stream_stream_rpc_method_handler(InPool(refuse, self._threads))
