"""Protobuf in: requests as the plain values that the floors below work with."""

from symbolon.v1 import module_pb2, stack_pb2
from symbolon.v1.symbolication_service_pb2 import SymbolicateRequest
from symbolon_server.symbolication.queries import NO_MODULE, FrameQuery, ModuleQuery
from symbolon_server.symbols.module_ids import ModuleId


def decode_module_id(module: module_pb2.Module) -> ModuleId | None:
    """Return the id of a valid module, `None` when one of its parts is empty."""
    if not module.debug_file or not module.debug_id:
        return None
    return ModuleId.parse(module.debug_file, module.debug_id)


def decode_modules(request: SymbolicateRequest) -> list[ModuleQuery]:
    """Return the modules of a valid request, in its order."""
    return [ModuleQuery(module.debug_file, decode_module_id(module)) for module in request.modules]


def decode_stacks(request: SymbolicateRequest) -> list[list[FrameQuery]]:
    """Return the frames of each stack of a valid request, in its order."""
    return [[_decode_frame(frame) for frame in stack.frames] for stack in request.stacks]


def _decode_frame(frame: stack_pb2.Frame) -> FrameQuery:
    index = frame.module_index if frame.HasField("module_index") else NO_MODULE
    return FrameQuery(index, frame.module_offset, frame.is_return_address)
