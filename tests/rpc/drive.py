"""Calls servicers without a network.

grpcio-testing drops the trailing metadata of an aborted call, and with it the status details.
Those are tested over a network.
"""

from dataclasses import dataclass
from typing import Any

import grpc
import grpc_testing  # type: ignore[import-untyped] # has no stubs
from google.protobuf.descriptor import ServiceDescriptor


@dataclass(frozen=True)
class Ended:
    """How a call ended."""

    response: Any
    code: grpc.StatusCode
    details: str


def call(
    service: ServiceDescriptor,
    servicer: object,
    method: str,
    request: object,
    timeout: float | None = None,
) -> Ended:
    """Call a unary method and return how it ended."""
    clock = grpc_testing.strict_fake_time(1_000.0)
    server = grpc_testing.server_from_dictionary({service: servicer}, clock)
    running = server.invoke_unary_unary(service.methods_by_name[method], (), request, timeout)
    response, _, code, details = running.termination()
    return Ended(response, code, details)
