"""The messages of `Symbolicate` with modules and frames left encoded.

On the wire a message inside a message is a string of bytes. Read and written as such, a frame that
was seen before costs a look into a dictionary instead of an object with ten fields.
"""

from collections.abc import Callable, Collection
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
    with_linkage_names: bool

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


def raw_message_classes(left_encoded: Collection[str]) -> Callable[[str], Any]:
    """Return a function that returns message classes of the API by name, such as `Stack`.

    The classes are those of the generated code, except that the fields `left_encoded`, such as
    `Stack.frames`, are bytes.
    """
    pool = descriptor_pool.DescriptorPool()

    def add(file: FileDescriptor) -> None:
        for dependency in file.dependencies:
            add(dependency)
        copy = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(copy)
        for message in copy.message_type:
            for field in message.field:
                if f"{message.name}.{field.name}" in left_encoded:
                    field.type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
                    field.ClearField("type_name")
        pool.Add(copy)

    def find_class(name: str) -> Any:
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"symbolon.v1.{name}"))

    add(symbolication_service_pb2.DESCRIPTOR)
    return find_class


_find_class = raw_message_classes(
    {"SymbolicateRequest.modules", "Stack.frames", "SymbolicatedStack.frames"}
)
_Request = _find_class("SymbolicateRequest")
_Response = _find_class("SymbolicateResponse")


def new_request() -> RawRequest:
    """Return an empty request."""
    request: RawRequest = _Request()
    return request


def read_response(data: bytes) -> RawResponse:
    """Return the decoded response."""
    response: RawResponse = _Response.FromString(data)
    return response
