"""The stubs of one channel: the generated ones, and one for raw messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from symbolon._messages.raw_messages import RawRequest, read_response
from symbolon.v1.module_service_pb2_grpc import ModuleServiceStub
from symbolon.v1.store_service_pb2_grpc import StoreServiceStub
from symbolon.v1.symbolication_service_pb2_grpc import SymbolicationServiceStub

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


def _write_request(request: RawRequest) -> bytes:
    return request.SerializeToString()
