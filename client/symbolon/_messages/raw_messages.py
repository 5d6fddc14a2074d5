"""The messages of `Symbolicate` with modules and frames left encoded.

On the wire a message inside a message is a string of bytes. Read and written as such, a frame
that was seen before costs a look into a dictionary instead of an object with ten fields.
"""

from typing import Any, Protocol

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.duration_pb2 import Duration

from symbolon.v1 import symbolication_service_pb2

_LEFT_ENCODED = {
    "SymbolicateRequest": "modules",
    "Stack": "frames",
    "SymbolicatedStack": "frames",
}
"""The fields, by message, that hold messages and are read as bytes."""


class RawStack(Protocol):
    """A `Stack` or a `SymbolicatedStack`."""

    frames: Any
    """A list of bytes, each a `Frame` or a `SymbolicatedFrame`."""


class RawRequest(Protocol):
    """A `SymbolicateRequest`."""

    modules: Any
    """A list of bytes, each a `Module`."""

    stacks: Any
    """A list of `RawStack`."""

    max_wait: Duration
    with_diagnostics: bool

    def SerializeToString(self) -> bytes:  # noqa: N802 # protobuf's name
        """Return what goes over the wire."""


class RawResponse(Protocol):
    """A `SymbolicateResponse`; its modules and diagnostics are decoded."""

    stacks: Any
    """A list of `RawStack`."""

    modules: Any
    diagnostics: Any

    def HasField(self, name: str) -> bool:  # noqa: N802 # protobuf's name
        """Return whether an optional field is set."""


def _make_pool() -> descriptor_pool.DescriptorPool:
    """Return the generated descriptors with those fields changed."""
    pool = descriptor_pool.DescriptorPool()

    def add(file: FileDescriptor) -> None:
        for dependency in file.dependencies:
            add(dependency)
        copy = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(copy)
        for message in copy.message_type:
            for field in message.field:
                if _LEFT_ENCODED.get(message.name) == field.name:
                    field.type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
                    field.ClearField("type_name")
        pool.Add(copy)

    add(symbolication_service_pb2.DESCRIPTOR)
    return pool


def _find_class(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"symbolon.v1.{name}"))


_POOL = _make_pool()
_Request = _find_class("SymbolicateRequest")
_Response = _find_class("SymbolicateResponse")


def new_request() -> RawRequest:
    """Return an empty request."""
    request: RawRequest = _Request()
    return request


def read_response(data: bytes) -> RawResponse:
    """Return the response of these bytes."""
    response: RawResponse = _Response.FromString(data)
    return response
