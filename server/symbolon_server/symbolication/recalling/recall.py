"""The frames of one call recalled from memory, one by one: the fast path of a server.

The frames of a request stay encoded. A frame starts with its field `module_index`; the bytes after
it are the key under which the answer is remembered, in this request and in every other. So a
remembered frame costs a slice and a look into two lists and a dictionary, and is never decoded.

The tests compare this with decoding every frame.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from symbolon_server.symbolication.memory.queries import ModuleQuery
from symbolon_server.symbolication.memory.server_memory import RememberedModule, ServerMemory
from symbolon_server.symbols.ground.module_ids import ModuleId

_INDEX_TAG: Final = 0x08
"""The first byte of a frame whose first field is `module_index`."""

_MORE: Final = 0x80
_SHORT: Final = 2
"""Bytes of the field `module_index` if the index is below 128."""

_LONG: Final = 3
"""Bytes of it for an index up to 16,383: more modules than a request may have."""

_ASKED: Final = slice(_SHORT, None)
"""The bytes after the field `module_index`; Python 3.11 builds a slice for each `[2:]`."""

_BYTES: Final = 256
_NOTHING: Final[dict[bytes, bytes]] = {}
_NO_MODULES: Final = [_NOTHING] * _BYTES
"""The remembered frames by their second byte, before any module is open."""


class Recall:
    """Finds the remembered answers of one call's frames; belongs to its thread.

    Nothing here is in a reference cycle: what a call recalled from would otherwise stay in memory
    until the garbage collector runs, which is seldom.
    """

    def __init__(self, memory: ServerMemory, modules: Sequence[ModuleQuery]) -> None:
        """Look for frames of `modules` in `memory`."""
        self._memory = memory
        self._modules = modules
        self._tables = _NO_MODULES.copy()
        # By the first byte of a frame and its second: only one first byte starts a module index.
        self._by_tag = [_NO_MODULES] * _INDEX_TAG + [self._tables]
        self.used: dict[int, RememberedModule] = {}
        """The modules in memory that frames name, by module index."""

        self.peeked = 0
        """How many of them were found, but not counted as hits yet."""

    def find_all(self, frames: Sequence[bytes]) -> list[bytes | None]:
        """Return the answer of each encoded frame, None if it is not remembered."""
        by_tag, asked = self._by_tag, _ASKED
        for _ in range(2):
            try:
                return [by_tag[frame[0]][frame[1]][frame[asked]] for frame in frames]
            except LookupError:  # a module is not open yet, or not all frames are remembered
                self._open_modules(frames)
        try:  # an exception for each frame that is not remembered would take three times as long
            return [by_tag[frame[0]][frame[1]].get(frame[asked]) for frame in frames]
        except LookupError:  # a frame in a rare form
            return [self.find(frame) for frame in frames]

    def find(self, frame: bytes) -> bytes | None:
        """Return the answer of a frame in an open module, or None."""
        try:
            return self._by_tag[frame[0]][frame[1]][frame[_ASKED]]
        except LookupError:
            return None

    def indexes_with_old(self) -> set[int]:
        """Return the indexes of open modules that have frames in the old half of memory."""
        return {index for index, module in self.used.items() if module.frames.old}

    def find_old(self, index: int, asked: bytes) -> bytes | None:
        """Return the answer of a frame in the old half of memory, or None.

        `asked` is what follows the frame's module index.
        """
        module = self.used.get(index)
        if module is None or not module.frames.old:
            return None
        return self._memory.frames.recall_old(module.frames, asked)

    def _open_modules(self, frames: Iterable[bytes]) -> None:
        """Open the modules that `frames` name."""
        for start in {frame[:_LONG] for frame in frames}:
            index = read_index(start)
            if index not in self.used:
                self.open(index)

    def open(self, index: int) -> RememberedModule | None:
        """Return the module at this index, and find its frames from now on.

        Returns None if it is not in memory, or if there is no such module.
        """
        module = self.used.get(index)
        if module is None and 0 <= index < len(self._modules):
            module = self._get_module(self._modules[index].module_id)
            if module is not None:
                self.used[index] = module
                self._put_table(index, module.frames.young)
        return module

    def _get_module(self, module_id: ModuleId | None) -> RememberedModule | None:
        if module_id is None:
            return None
        module = self._memory.modules.get_young(module_id)
        if module is not None:
            self.peeked += 1
            return module
        return self._memory.modules.get(module_id)

    def _put_table(self, index: int, table: dict[bytes, bytes]) -> None:
        if index < _MORE:
            self._tables[index] = table
            return
        first = (index | _MORE) % _BYTES
        longer = self._tables[first]
        if not isinstance(longer, _Longer):
            longer = self._tables[first] = _Longer()
        longer.tables[index >> 7] = table


class _Longer(dict[bytes, bytes]):
    """The frames whose two-byte module indexes have the same first byte, by what follows it."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[int, Mapping[bytes, bytes]] = {}
        """By the index's second byte."""

    def __missing__(self, rest: bytes) -> bytes:
        return self.tables[rest[0]][rest[1:]]

    def get(self, rest: bytes, default: bytes | None = None) -> bytes | None:  # type: ignore[override]
        """Return the answer, or `default`."""
        try:
            return self[rest]
        except LookupError:
            return default


def read_index(frame: bytes) -> int:
    """Return the module index that an encoded frame starts with.

    Returns -1 if a frame does not start with an index of at most two bytes.
    """
    if len(frame) < _SHORT or frame[0] != _INDEX_TAG:
        return -1
    if frame[1] < _MORE:
        return frame[1]
    if len(frame) < _LONG or frame[2] >= _MORE:
        return -1
    return frame[1] - _MORE | frame[2] << 7


def what_is_asked(frame: bytes) -> bytes:
    """Return the bytes after the module index that an encoded frame starts with."""
    return frame[_SHORT:] if frame[1] < _MORE else frame[_LONG:]
