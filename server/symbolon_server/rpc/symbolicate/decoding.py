"""Protobuf in: requests as the plain values that the floors below work with."""

from typing import Final

from google.protobuf.message import DecodeError

from symbolon.v1 import module_pb2, stack_pb2
from symbolon_server.rpc.symbolicate.raw_request import RawRequest
from symbolon_server.symbolication.memory.queries import (
    NO_MODULE,
    FrameQuery,
    InvalidFrameError,
    ModuleQuery,
)
from symbolon_server.symbols.ground.asked_modules import read_code_file, read_code_id
from symbolon_server.symbols.ground.module_ids import InvalidModuleIdError, ModuleId, tells_age

_MOST_KNOWN: Final = 1 << 14
_LONGEST_KNOWN: Final = 512
"""Bytes of an encoded module: many requests name the same modules, few name huge ones."""


class InvalidModuleError(ValueError):
    """A module that breaks a rule of the API."""


def decode_module_id(module: module_pb2.Module) -> ModuleId | None:
    """Return the id that `decode_module` finds, None where a module has none."""
    return decode_module(module).module_id


def decode_module(module: module_pb2.Module) -> ModuleQuery:
    """Return a module as it is asked for.

    The code file's name stands in for an empty debug file: that is how `dump_syms` names modules
    of Windows that have no PDB. Raises `InvalidModuleIdError` for what cannot be a debug file or a
    debug id.
    """
    code_file = read_code_file(module.code_file)
    debug_file = module.debug_file or code_file
    module_id = ModuleId.parse_if_whole(debug_file, module.debug_id)
    lacks_age = module_id is not None and not tells_age(module.debug_id)
    return ModuleQuery(debug_file, module_id, code_file, read_code_id(module.code_id), lacks_age)


class ModuleDecoder:
    """Decodes modules, those that were seen before by their bytes.

    Calls share it without a lock: each step on its dictionary is one step to other threads, and
    whatever they make of it is true.
    """

    def __init__(self) -> None:
        """Know no module yet."""
        self._known: dict[bytes, ModuleQuery] = {}

    def decode(self, request: RawRequest) -> list[ModuleQuery]:
        """Return the modules of a request, in its order; raise `InvalidModuleError`."""
        try:
            return list(map(self._known.__getitem__, request.modules[:]))
        except KeyError:
            return [self._decode(data) for data in request.modules]

    def _decode(self, data: bytes) -> ModuleQuery:
        module = _decode_module(data)
        if len(data) <= _LONGEST_KNOWN:
            if len(self._known) >= _MOST_KNOWN:
                self._known = {}
            self._known[data] = module
        return module


def decode_frame(data: bytes) -> FrameQuery:
    """Return the frame of these bytes; raise `InvalidFrameError` where it is none."""
    try:
        frame = stack_pb2.Frame.FromString(data)
    except DecodeError as error:
        raise InvalidFrameError("a frame cannot be decoded") from error
    index = frame.module_index if frame.HasField("module_index") else NO_MODULE
    return FrameQuery(index, frame.module_offset, frame.is_return_address)


def _decode_module(data: bytes) -> ModuleQuery:
    try:
        return decode_module(module_pb2.Module.FromString(data))
    except (DecodeError, InvalidModuleIdError) as error:
        raise InvalidModuleError from error
