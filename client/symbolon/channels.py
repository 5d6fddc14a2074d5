"""How the client talks to servers: limits, retries, credentials."""

import json
from collections.abc import Sequence
from typing import Any

import grpc

from symbolon.tokens import add_token

MAX_RESPONSE_BYTES = 256 * 2**20
"""An answer of 200,000 frames with their inlines fits several times over; gRPC's 4 MiB hold
some 15,000 frames."""

RETRIED_METHODS = (
    ("symbolon.v1.SymbolicationService", "Symbolicate"),
    ("symbolon.v1.ModuleService", "GetModule"),
    ("symbolon.v1.StoreService", "GetStoreInfo"),
)
"""Calls that change nothing, so that doing one twice is as good as once."""

SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [{"service": service, "method": method} for service, method in RETRIED_METHODS],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 3,
                "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
            },
        }
    ]
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
        *options,
    ]
    if token is None:
        return credentials, all_options
    if credentials is None:
        # A proxy on this machine would be local, and what it forwards to would not.
        all_options.append(("grpc.enable_http_proxy", 0))
    return add_token(target, credentials, token), all_options
