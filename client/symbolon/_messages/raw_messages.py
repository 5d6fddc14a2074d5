"""The messages of `Symbolicate` with modules and frames left encoded.

On the wire a message inside a message is a string of bytes. Read and written as such, a frame that
was seen before costs a look into a dictionary instead of an object with ten fields.
"""

from collections.abc import Collection, Iterable
from typing import Any, Protocol

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.duration_pb2 import Duration

from symbolon.v1 import symbolication_service_pb2


class RawRequest(Protocol):
    """A `SymbolicateRequest`."""

    modules: Any
    """A list of bytes, each a `Module`."""

    stacks: Any
    """A list of stacks, each with its `frames`, a list of bytes: each a `Frame`."""

    max_wait: Duration
    with_diagnostics: bool

    def SerializeToString(self) -> bytes:  # noqa: N802 # protobuf's name
        """Return the encoded request."""


class RawResponse(Protocol):
    """A `SymbolicateResponse`; its modules and diagnostics are decoded."""

    stacks: Any
    """A list of stacks, each with its `frames`, a list of bytes: each a `SymbolicatedFrame`."""

    modules: Any
    diagnostics: Any

    def HasField(self, name: str) -> bool:  # noqa: N802 # protobuf's name
        """Return whether an optional field is set."""


def make_raw_classes(
    file: FileDescriptor, names: Iterable[str], left_encoded: Collection[tuple[str, str]]
) -> tuple[Any, ...]:
    """Return the message classes of a file, with some fields declared as bytes.

    `left_encoded` are pairs of a message and its field, which holds messages.
    """
    pool = descriptor_pool.DescriptorPool()

    def add(file: FileDescriptor) -> None:
        for dependency in file.dependencies:
            add(dependency)
        copy = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(copy)
        for message in copy.message_type:
            for field in message.field:
                if (message.name, field.name) in left_encoded:
                    field.type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
                    field.ClearField("type_name")
        pool.Add(copy)

    add(file)
    messages = (pool.FindMessageTypeByName(f"{file.package}.{name}") for name in names)
    return tuple(map(message_factory.GetMessageClass, messages))


_Request, _Response = make_raw_classes(
    symbolication_service_pb2.DESCRIPTOR,
    ("SymbolicateRequest", "SymbolicateResponse"),
    {("SymbolicateRequest", "modules"), ("Stack", "frames"), ("SymbolicatedStack", "frames")},
)


def new_request() -> RawRequest:
    """Return an empty request."""
    request: RawRequest = _Request()
    return request


def read_response(data: bytes) -> RawResponse:
    """Return the decoded response."""
    response: RawResponse = _Response.FromString(data)
    return response
