"""A symbolication request: its bytes, its values, and the rules that it breaks.

On the wire a message inside a message is a string of bytes. Read as bytes, a frame or a module
that was seen before need not be decoded again: its bytes are the key to what is remembered.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError

from symbolon._messages.raw_messages import raw_message_classes
from symbolon.v1 import module_pb2, stack_pb2
from symbolon_server.rpc.calls.status import FieldViolation, InvalidRequestError
from symbolon_server.symbolication.memory.queries import (
    NO_MODULE,
    FrameQuery,
    InvalidFrameError,
    ModuleQuery,
)
from symbolon_server.symbols.ground.asked_modules import (
    derive_debug_id,
    read_code_file,
    read_code_id,
)
from symbolon_server.symbols.ground.module_ids import (
    InvalidModuleIdError,
    ModuleId,
    is_nil_debug_id,
    tells_age,
)

MAX_VIOLATIONS = 20
"""How many violations an answer lists: enough to see the pattern, and small enough for metadata."""

MAX_ID_BYTES = 255
"""Of a request in a stream."""

_MAX_NANOS = 999_999_999
_MAX_DURATION_SECONDS = 315_576_000_000
"""As `google/protobuf/duration.proto` says: about 10,000 years."""


class RawRequest(Protocol):
    """A `symbolon.v1.SymbolicateRequest` with its modules and stacks left encoded."""

    modules: Sequence[bytes]
    stacks: Sequence[bytes]
    max_wait: Duration
    with_diagnostics: bool
    with_linkage_names: bool

    def HasField(self, name: str) -> bool:  # noqa: N802 # protobuf's name
        """Return whether an optional field is set."""


class RawStreamRequest(Protocol):
    """A `symbolon.v1.SymbolicateStreamRequest` with its request left encoded."""

    id: str
    request: bytes


_find_class = raw_message_classes(
    {
        "SymbolicateStreamRequest.request",
        "SymbolicateRequest.modules",
        "SymbolicateRequest.stacks",
        "Stack.frames",
    }
)
RequestMessage: Any = _find_class("SymbolicateRequest")
StreamRequestMessage: Any = _find_class("SymbolicateStreamRequest")
StackMessage: Any = _find_class("Stack")


def decode_frame(data: bytes) -> FrameQuery:
    """Return the frame in these bytes; raise `InvalidFrameError` if `data` is not a frame."""
    try:
        frame = stack_pb2.Frame.FromString(data)
    except DecodeError as error:
        raise InvalidFrameError("a frame cannot be decoded") from error
    index = frame.module_index if frame.HasField("module_index") else NO_MODULE
    return FrameQuery(index, frame.module_offset, frame.is_return_address)


def read_stream_request(data: bytes) -> RawStreamRequest:
    """Return the request of a stream in these bytes; raise protobuf's `DecodeError`."""
    request: RawStreamRequest = StreamRequestMessage.FromString(data)
    return request


def check_id(request: RawStreamRequest) -> None:
    """Raise `InvalidRequestError` if the id of a stream's request is too long."""
    length = len(request.id.encode())
    if length > MAX_ID_BYTES:
        message = f"has {length} bytes, the limit is {MAX_ID_BYTES}"
        raise InvalidRequestError([FieldViolation("id", message)])


class InvalidModuleError(ValueError):
    """A module that breaks a rule of the API."""


def decode_module(module: module_pb2.Module) -> ModuleQuery:
    """Return a module as it is looked up.

    The name of the code file replaces an empty debug file: `dump_syms` names Windows modules
    without a PDB that way. An empty debug id, or one of zeros, is derived from the code id if
    possible. Raises `InvalidModuleIdError` if the debug file or debug id is invalid.
    """
    code_file = read_code_file(module.code_file)
    debug_file = module.debug_file or code_file
    code_id = read_code_id(module.code_id)
    debug_id = module.debug_id
    if not debug_id or is_nil_debug_id(debug_id):
        debug_id = derive_debug_id(code_file or debug_file, code_id) or debug_id
    module_id = ModuleId.parse_if_whole(debug_file, debug_id)
    lacks_age = module_id is not None and not tells_age(debug_id)
    return ModuleQuery(debug_file, module_id, code_file, code_id, lacks_age)


def find_broken_rules(request: RawRequest) -> Sequence[FieldViolation]:
    """Return the first `MAX_VIOLATIONS` rules that `request` breaks.

    This decodes every module and frame: call it only if one of them is known to be invalid.
    """
    return tuple(islice(_broken_rules(request), MAX_VIOLATIONS))


def _broken_rules(request: RawRequest) -> Iterator[FieldViolation]:
    if request.HasField("max_wait"):
        yield from duration_violations("max_wait", request.max_wait)
    for index, data in enumerate(request.modules):
        path = f"modules[{index}]"
        try:
            yield from module_violations(path, module_pb2.Module.FromString(data))
        except DecodeError:
            yield FieldViolation(path, "cannot be decoded")
    for index, stack in enumerate(request.stacks):
        yield from _stack_violations(f"stacks[{index}]", stack, len(request.modules))


def module_violations(path: str, module: module_pb2.Module) -> Iterator[FieldViolation]:
    """Yield the rules that a module breaks; an empty part is valid."""
    try:
        decode_module(module)
    except InvalidModuleIdError as error:
        yield FieldViolation(f"{path}.{error.field}", str(error))


def exceeded(field: str, count: int | str, limit: int) -> FieldViolation:
    """Return the violation of a repeated field that has more than `limit` entries."""
    return FieldViolation(field, f"has {count} entries, the limit is {limit}")


def duration_violations(path: str, duration: Duration) -> Iterator[FieldViolation]:
    """Yield the rules that a duration breaks."""
    if duration.seconds < 0 or duration.nanos < 0:
        yield FieldViolation(path, "must not be negative")
    elif duration.nanos > _MAX_NANOS or duration.seconds > _MAX_DURATION_SECONDS:
        yield FieldViolation(path, "is not a valid google.protobuf.Duration")


def _stack_violations(path: str, stack: bytes, modules: int) -> Iterator[FieldViolation]:
    try:
        frames = StackMessage.FromString(stack).frames
    except DecodeError:
        yield FieldViolation(path, "cannot be decoded")
        return
    for index, data in enumerate(frames):
        try:
            frame = decode_frame(data)
        except InvalidFrameError as error:
            yield FieldViolation(f"{path}.frames[{index}]", str(error))
            continue
        if frame.module_index != NO_MODULE and frame.module_index >= modules:
            yield FieldViolation(
                f"{path}.frames[{index}].module_index",
                f"is {frame.module_index}, but the request has {modules} modules",
            )
