"""Calls one method with grpclib and prints the outcome, as `node/call.mjs` does."""

import asyncio
import json
import ssl
import sys
from typing import Any

from google.protobuf import descriptor_pool, json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import (  # type: ignore[import-untyped] # no py.typed
    BadRequest,
)
from grpc_health.v1 import health_pb2 as _health  # noqa: F401 # so that it is known by name
from grpclib.client import Channel, Stream
from grpclib.const import Cardinality
from grpclib.exceptions import GRPCError, StreamTerminatedError

from symbolon.v1 import (
    module_service_pb2 as _module_service,  # noqa: F401 # the same
)
from symbolon.v1 import (
    symbolication_service_pb2 as _symbolication_service,  # noqa: F401 # the same
)


def describe(method: str) -> MethodDescriptor:
    """Return the description of a method, such as `grpc.health.v1.Health/Check`."""
    service, _, name = method.partition("/")
    pool = descriptor_pool.Default()
    return pool.FindServiceByName(service).methods_by_name[name]


def tls_of(access: dict[str, str | None] | None) -> ssl.SSLContext | None:
    """Return the TLS context for these credentials; `None` for plaintext."""
    if access is None:
        return None
    context = ssl.create_default_context(cafile=access["ca"])
    context.set_alpn_protocols(["h2"])
    if access["certificate"]:
        context.load_cert_chain(access["certificate"], access["key"])
    return context


def metadata_of(access: dict[str, str | None] | None) -> dict[str, str]:
    """Return the metadata that authenticates the caller."""
    token = access and access["token"]
    return {"authorization": f"Bearer {token}"} if token else {}


def fields_of(error: GRPCError) -> list[str]:
    """Return the fields of a BadRequest in the details."""
    return [
        violation.field
        for detail in error.details or ()
        if isinstance(detail, BadRequest)
        for violation in detail.field_violations
    ]


async def exchange(stream: Stream[Any, Any], requests: list[Message], answers: list[Any]) -> None:
    """Send all requests and collect the answers."""
    for request in requests:
        await stream.send_message(request)
    await stream.end()
    async for answer in stream:
        answers.append(json_format.MessageToDict(answer))  # noqa: PERF401 # kept when it fails


async def call(asked: dict[str, Any]) -> dict[str, Any]:
    """Return answers, status code and rejected fields."""
    method = describe(asked["method"])
    request_type = GetMessageClass(method.input_type)
    host, _, port = asked["address"].rpartition(":")
    answers: list[Any] = []
    async with Channel(host, int(port), ssl=tls_of(asked["access"])) as channel:
        try:
            async with channel.request(
                f"/{asked['method']}",
                Cardinality.STREAM_STREAM,
                request_type,
                GetMessageClass(method.output_type),
                timeout=asked["seconds"],
                metadata=metadata_of(asked["access"]),
            ) as stream:
                requests = [json_format.ParseDict(one, request_type()) for one in asked["messages"]]
                await exchange(stream, requests, answers)
        except GRPCError as error:
            return {"answers": answers, "code": error.status.value, "fields": fields_of(error)}
        except TimeoutError:
            return {"answers": answers, "code": 4, "fields": []}
        except (ssl.SSLError, StreamTerminatedError):
            return {"answers": answers, "code": 14, "fields": []}
    return {"answers": answers, "code": 0, "fields": []}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(call(json.loads(sys.argv[1])))))
