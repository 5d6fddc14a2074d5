"""The requests of symbolications with their modules, stacks and frames left encoded.

On the wire a message inside a message is a string of bytes. Read as such, a frame or a module
that was seen before need not be decoded again: its bytes are the key to what is remembered.
"""

from typing import Any, Protocol

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.duration_pb2 import Duration

from symbolon.v1 import stack_pb2, symbolication_service_pb2

_LEFT_ENCODED = {
    ("SymbolicateStreamRequest", "request"),
    ("SymbolicateRequest", "modules"),
    ("SymbolicateRequest", "stacks"),
    ("Stack", "frames"),
}
"""The fields, with their messages, that hold messages and are read as bytes."""


class RawRequest(Protocol):
    """A `symbolon.v1.SymbolicateRequest` with its modules and stacks left encoded."""

    modules: list[bytes]
    stacks: list[bytes]
    max_wait: Duration
    with_diagnostics: bool

    def HasField(self, name: str) -> bool:  # noqa: N802 # protobuf's name
        """Return whether an optional field is set."""

    def SerializeToString(self) -> bytes:  # noqa: N802 # protobuf's name
        """Return the request as it came."""


class RawStreamRequest(Protocol):
    """A `symbolon.v1.SymbolicateStreamRequest` with its request left encoded."""

    id: str
    request: bytes


def _make_classes() -> tuple[Any, ...]:
    """Return the message classes, made of the generated descriptors with those fields changed."""
    pool = descriptor_pool.DescriptorPool()

    def add(file: FileDescriptor) -> None:
        for dependency in file.dependencies:
            add(dependency)
        copy = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(copy)
        for message in copy.message_type:
            for field in message.field:
                if (message.name, field.name) in _LEFT_ENCODED:
                    field.type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
                    field.ClearField("type_name")
        pool.Add(copy)

    add(symbolication_service_pb2.DESCRIPTOR)
    return tuple(
        message_factory.GetMessageClass(pool.FindMessageTypeByName(message.DESCRIPTOR.full_name))
        for message in (
            symbolication_service_pb2.SymbolicateRequest,
            symbolication_service_pb2.SymbolicateStreamRequest,
            stack_pb2.Stack,
        )
    )


_RawSymbolicateRequest, _RawSymbolicateStreamRequest, _RawStack = _make_classes()


def decode_request(data: bytes) -> RawRequest:
    """Return the request of these bytes; raise protobuf's `DecodeError` where it is none.

    What is left encoded may still be no message.
    """
    request: RawRequest = _RawSymbolicateRequest.FromString(data)
    return request


def decode_stack(data: bytes) -> list[bytes]:
    """Return the encoded frames of an encoded stack; raise protobuf's `DecodeError`."""
    frames: list[bytes] = _RawStack.FromString(data).frames[:]  # faster than `list`
    return frames


def decode_stream_request(data: bytes) -> RawStreamRequest:
    """Return the request of these bytes; raise protobuf's `DecodeError` where it is none."""
    request: RawStreamRequest = _RawSymbolicateStreamRequest.FromString(data)
    return request
