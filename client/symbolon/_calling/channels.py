"""Opens channels: limits, retries, keepalive, credentials; and the stubs of a channel."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio

from symbolon._calling.tokens import add_token
from symbolon._messages.raw_messages import RawRequest, read_response
from symbolon.v1.module_service_pb2_grpc import ModuleServiceStub
from symbolon.v1.store_service_pb2_grpc import StoreServiceStub
from symbolon.v1.symbolication_service_pb2_grpc import SymbolicationServiceStub

MAX_RESPONSE_BYTES = 256 * 2**20
"""Fits an answer of 200,000 frames of 1,300 bytes; gRPC's own 4 MiB hold 2,000 to 50,000 frames."""

RETRIED_METHODS = (
    ("symbolon.v1.SymbolicationService", "Symbolicate"),
    ("symbolon.v1.ModuleService", "GetModule"),
    ("symbolon.v1.ModuleService", "PrefetchModules"),
    ("symbolon.v1.ModuleService", "ListMissingModules"),
    ("symbolon.v1.ModuleService", "GetQueue"),
    ("symbolon.v1.ModuleService", "ExplainFrame"),
    ("symbolon.v1.StoreService", "GetStoreInfo"),
)
"""Calls that are safe to repeat.

`InvalidateModules` is not: a second one would invalidate what was ingested since the first.
"""

KEEPALIVE_MILLISECONDS = 30_000
"""How long a connection may be silent during a call before the client pings the server: one that a
firewall dropped, or whose machine lost power, stays silent."""

KEEPALIVE_TIMEOUT_MILLISECONDS = 20_000
"""How long the server may take to answer a ping; then its calls fail as unreachable."""

RECONNECT_MILLISECONDS = 200
"""The first back-off before reconnecting. gRPC's own 1 s is much of the time that all attempts of a
call take together: two lost connections could fail it."""

RESOLVE_MILLISECONDS = 1_000
"""How soon a name may be resolved again, which a lost connection asks for. With gRPC's own 30 s a
client would call only servers that are gone, if all are replaced within that time."""

SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{"service": service, "method": method} for service, method in RETRIED_METHODS],
            "retryPolicy": {
                # After 0.2, 0.8 and 2.6 s, a fifth more or less: a name is resolved again by then.
                "maxAttempts": 4,
                "initialBackoff": "0.2s",
                "maxBackoff": "2s",
                "backoffMultiplier": 3,
                # A stopping server cancels the calls that reach it.
                "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "CANCELLED"],
            },
        }
    ],
}
"""gRPC's own configuration. gRPC Python ignores a `timeout` in it: every call has its own."""


def open_channel(
    target: str,
    credentials: grpc.ChannelCredentials | None = None,
    options: Sequence[tuple[str, Any]] = (),
    token: str | None = None,
    *,
    tracing: bool = False,
) -> grpc.Channel:
    """Return a channel to the target, in plaintext without `credentials`.

    The token is sent with each call. Raises `InvalidCredentialsError` if that would be in plaintext
    and to another machine, and `ModuleNotFoundError` if `tracing` needs a package.
    """
    credentials, all_options = prepare(target, credentials, options, token)
    if credentials is None:
        channel = grpc.insecure_channel(target, all_options)
    else:
        channel = grpc.secure_channel(target, credentials, all_options)
    return grpc.intercept_channel(channel, _import_tracing().TracedCalls()) if tracing else channel


def open_async_channel(
    target: str,
    credentials: grpc.ChannelCredentials | None = None,
    options: Sequence[tuple[str, Any]] = (),
    token: str | None = None,
    *,
    tracing: bool = False,
) -> grpc.aio.Channel:
    """As `open_channel`, for asyncio."""
    credentials, all_options = prepare(target, credentials, options, token)
    traced = [_import_tracing().AsyncTracedCalls()] if tracing else None
    if credentials is None:
        return grpc.aio.insecure_channel(target, all_options, interceptors=traced)
    return grpc.aio.secure_channel(target, credentials, all_options, interceptors=traced)


def _import_tracing() -> Any:
    try:
        from symbolon._calling import tracing  # noqa: PLC0415 # an extra
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"tracing needs the package {error.name}: install the extra 'tracing'", name=error.name
        ) from None
    return tracing


def prepare(
    target: str,
    credentials: grpc.ChannelCredentials | None,
    options: Sequence[tuple[str, Any]],
    token: str | None,
) -> tuple[grpc.ChannelCredentials | None, list[tuple[str, Any]]]:
    """Return the credentials and options of a channel.

    The caller's options come last: they override ours.
    """
    all_options = [
        ("grpc.max_receive_message_length", MAX_RESPONSE_BYTES),
        ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
        ("grpc.initial_reconnect_backoff_ms", RECONNECT_MILLISECONDS),
        ("grpc.dns_min_time_between_resolutions_ms", RESOLVE_MILLISECONDS),
        ("grpc.keepalive_time_ms", KEEPALIVE_MILLISECONDS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MILLISECONDS),
        # gRPC waits this long, whatever the option above says: a minute by default.
        ("grpc.http2.ping_timeout_ms", KEEPALIVE_TIMEOUT_MILLISECONDS),
        *options,
    ]
    if token is None:
        return credentials, all_options
    if credentials is None:
        # A proxy on this machine is local, but what it forwards to need not be.
        all_options.append(("grpc.enable_http_proxy", 0))
    return add_token(target, credentials, token), all_options


if TYPE_CHECKING:
    import grpc

    from symbolon.v1.module_service_pb2_grpc import ModuleServiceAsyncStub
    from symbolon.v1.store_service_pb2_grpc import StoreServiceAsyncStub
    from symbolon.v1.symbolication_service_pb2_grpc import SymbolicationServiceAsyncStub


SYMBOLICATE = "/symbolon.v1.SymbolicationService/Symbolicate"


class Stubs:
    """The generated stubs of all services: messages in, messages out.

    They raise gRPC's own errors, and a call has only the deadline that you pass.
    """

    def __init__(self, channel: grpc.Channel) -> None:
        self.symbolication = SymbolicationServiceStub(channel)
        self.modules = ModuleServiceStub(channel)
        self.stores = StoreServiceStub(channel)


class AsyncStubs:
    """As `Stubs`, for a channel of `grpc.aio`."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.symbolication: SymbolicationServiceAsyncStub = SymbolicationServiceStub(channel)
        self.modules: ModuleServiceAsyncStub = ModuleServiceStub(channel)
        self.stores: StoreServiceAsyncStub = StoreServiceStub(channel)


def find_raw_symbolicate(channel: grpc.Channel | grpc.aio.Channel) -> Any:
    """Return the method that takes a `RawRequest` and returns a `RawResponse`."""
    return channel.unary_unary(
        SYMBOLICATE,
        request_serializer=_write_request,
        response_deserializer=read_response,
    )


def find_encoded_symbolicate(channel: grpc.Channel) -> Any:
    """Return the method that takes and returns encoded messages."""
    return channel.unary_unary(SYMBOLICATE)


def _write_request(request: RawRequest) -> bytes:
    return request.SerializeToString()
