"""How the client talks to servers: limits, retries, keepalive, credentials."""

import json
from collections.abc import Sequence
from typing import Any

import grpc
import grpc.aio

from symbolon._calling.tokens import add_token

MAX_RESPONSE_BYTES = 256 * 2**20
"""An answer of 200,000 frames of 1,300 bytes fits; gRPC's own 4 MiB hold 2,000 to 50,000 frames."""

RETRIED_METHODS = (
    ("symbolon.v1.SymbolicationService", "Symbolicate"),
    ("symbolon.v1.ModuleService", "GetModule"),
    ("symbolon.v1.ModuleService", "PrefetchModules"),
    ("symbolon.v1.ModuleService", "ListMissingModules"),
    ("symbolon.v1.ModuleService", "GetQueue"),
    ("symbolon.v1.ModuleService", "ExplainFrame"),
    ("symbolon.v1.StoreService", "GetStoreInfo"),
)
"""Calls that may be done twice: they change nothing, or nothing more the second time.

`InvalidateModules` is not among them: again would throw away what was made since.
"""

KEEPALIVE_MILLISECONDS = 30_000
"""How long nothing comes of a call until the other side is asked whether it is there: what a
firewall forgot, or a machine without power, answers nothing."""

KEEPALIVE_TIMEOUT_MILLISECONDS = 20_000
"""How long it may take to say so; then its calls fail as unreachable."""

RECONNECT_MILLISECONDS = 200
"""How long after a connection failed it is tried again, at first. gRPC's own second is about as
long as all attempts of a call take together: one lost connection could fail it."""

SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{"service": service, "method": method} for service, method in RETRIED_METHODS],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 3,
                # A call that reaches gRPC while its server stops is cancelled there, not by us.
                "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "CANCELLED"],
            },
        }
    ],
}
"""What gRPC does by itself. A `timeout` here is ignored by gRPC Python: every call has its own."""


def open_channel(
    target: str,
    credentials: grpc.ChannelCredentials | None = None,
    options: Sequence[tuple[str, Any]] = (),
    token: str | None = None,
) -> grpc.Channel:
    """Return a channel to the target; without credentials it is not encrypted.

    The token is sent with each call. Raises `InvalidCredentialsError` for one that others
    could read on its way.
    """
    credentials, all_options = prepare(target, credentials, options, token)
    if credentials is None:
        return grpc.insecure_channel(target, all_options)
    return grpc.secure_channel(target, credentials, all_options)


def open_async_channel(
    target: str,
    credentials: grpc.ChannelCredentials | None = None,
    options: Sequence[tuple[str, Any]] = (),
    token: str | None = None,
) -> grpc.aio.Channel:
    """As `open_channel`, for asyncio."""
    credentials, all_options = prepare(target, credentials, options, token)
    if credentials is None:
        return grpc.aio.insecure_channel(target, all_options)
    return grpc.aio.secure_channel(target, credentials, all_options)


def prepare(
    target: str,
    credentials: grpc.ChannelCredentials | None,
    options: Sequence[tuple[str, Any]],
    token: str | None,
) -> tuple[grpc.ChannelCredentials | None, list[tuple[str, Any]]]:
    """Return what `open_channel` makes its channel of.

    The caller's options come last, so that they win.
    """
    all_options = [
        ("grpc.max_receive_message_length", MAX_RESPONSE_BYTES),
        ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
        ("grpc.initial_reconnect_backoff_ms", RECONNECT_MILLISECONDS),
        ("grpc.keepalive_time_ms", KEEPALIVE_MILLISECONDS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MILLISECONDS),
        # What gRPC really waits for, whatever the option above says: a minute by itself.
        ("grpc.http2.ping_timeout_ms", KEEPALIVE_TIMEOUT_MILLISECONDS),
        *options,
    ]
    if token is None:
        return credentials, all_options
    if credentials is None:
        # A proxy on this machine would be local, and what it forwards to would not.
        all_options.append(("grpc.enable_http_proxy", 0))
    return add_token(target, credentials, token), all_options
