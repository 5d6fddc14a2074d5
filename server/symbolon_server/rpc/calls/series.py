"""The series of calls, there from the start: the rate of one born at 1 leaves that one out."""

from collections.abc import Iterable
from typing import Final

import grpc
from google.protobuf import descriptor_pool

from symbolon_server.telemetry.metrics import CALL_SECONDS, CALLS, STREAM_ANSWERS

CODES: Final = tuple(
    code.name
    for code in (
        grpc.StatusCode.OK,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
    )
)
"""What calls that were let in end with, and requests of streams too."""


def begin_at_zero(services: Iterable[str]) -> None:
    """Tell the metrics of all methods of `services`, given by their full names."""
    pool = descriptor_pool.Default()
    for service in services:
        for method in pool.FindServiceByName(service).methods:
            CALL_SECONDS.labels(method.name)
            for code in CODES:
                CALLS.labels(method.name, code)
    for code in CODES:
        STREAM_ANSWERS.labels(code)
