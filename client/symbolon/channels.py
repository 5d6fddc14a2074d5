"""How the client talks to servers: limits, retries, keepalive."""

import json
from collections.abc import Sequence
from typing import Any

import grpc

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
) -> grpc.Channel:
    """Return a channel to the target; without credentials it is not encrypted.

    The caller's options come last, so that they win.
    """
    all_options = [
        ("grpc.max_receive_message_length", MAX_RESPONSE_BYTES),
        ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
        *options,
    ]
    if credentials is None:
        return grpc.insecure_channel(target, all_options)
    return grpc.secure_channel(target, credentials, all_options)
