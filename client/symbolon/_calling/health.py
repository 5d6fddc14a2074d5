"""The standard health check (`grpc.health.v1.Health/Check`) without its package.

HealthCheckRequest   1: service, a string; empty asks about the server as a whole
HealthCheckResponse  1: status, an enum; 1 is SERVING
"""

from typing import Any

import grpc

METHOD = "/grpc.health.v1.Health/Check"
SERVING = b"\x08\x01"  # field 1, a varint: 1


def find_check(channel: "grpc.Channel | grpc.aio.Channel") -> Any:
    """Return the method, which takes what `encode_check` returns and returns an encoded answer."""
    return channel.unary_unary(METHOD, request_serializer=bytes, response_deserializer=bytes)


def is_serving(answer: bytes) -> bool:
    """Return whether the answer says that the service serves."""
    return answer == SERVING


def encode_check(service: str) -> bytes:
    """Return a HealthCheckRequest; names are shorter than 128 bytes, so one byte says how long."""
    name = service.encode()
    if len(name) > 127:  # noqa: PLR2004 - what one byte of a varint holds
        raise ValueError(f"no service has a name of {len(name)} bytes")
    return bytes((0x0A, len(name))) + name if name else b""
