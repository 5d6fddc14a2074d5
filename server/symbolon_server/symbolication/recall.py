"""One call's frames recalled from memory: the fast path of a server.

The frames of a request stay encoded. What stands before the module offset in a frame,
the field `module_index`, is the same for all frames of a module; what follows it is the key
under which the module's answer is remembered, in this request and in every other. So a frame
that is remembered costs two slices and two lookups, and is never decoded.

The tests hold this against decoding every frame.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from symbolon_server.symbolication.held import Held, HeldModule
from symbolon_server.symbolication.queries import ModuleQuery

_INDEX_TAG: Final = 0x08
"""How a frame begins whose first field is `module_index`."""

_MORE: Final = 0x80
_SHORT: Final = 2
"""Bytes of the field `module_index` where the index is below 128."""

_LONG: Final = 3
"""Bytes of it up to 16,383: more modules than a request may have."""

Find = Callable[[bytes], bytes | None]


class Recall:
    """Finds the remembered answers of one call's frames; belongs to its thread."""

    def __init__(self, held: Held, modules: Sequence[ModuleQuery]) -> None:
        """Look for frames of `modules` in what is `held`."""
        self._held = held
        self._named = _NamedModules(held, modules)
        self._finds = _Finds(self._named)

    @property
    def used(self) -> Mapping[int, HeldModule]:
        """The held modules by the module indexes that frames named."""
        return self._named.used

    @property
    def peeked(self) -> int:
        """How many of them were found without being counted."""
        return self._named.peeked

    def find_all(self, frames: Sequence[bytes]) -> list[bytes | None]:
        """Return the answer of each encoded frame, None where none is remembered."""
        finds = self._finds
        return [finds[frame[:_SHORT]](frame[_SHORT:]) for frame in frames]

    def find_old(self, frame: bytes) -> bytes | None:
        """Return the answer of a frame that was not used for long, or None."""
        prefix, asked = split_frame(frame)
        module = self.used.get(read_index(prefix))
        return None if module is None else self._held.frames.recall_old(module.frames, asked)


class _NamedModules:
    """The modules that one call's frames name.

    It knows nothing of who asks it: in a cycle with them, what a call recalled from would stay
    until the garbage collector comes, which it seldom does, long after it is forgotten.
    """

    def __init__(self, held: Held, modules: Sequence[ModuleQuery]) -> None:
        self._held = held
        self._modules = modules
        self.used: dict[int, HeldModule] = {}
        self.peeked = 0

    def open(self, prefix: bytes) -> Find:
        """Return what finds the frames that begin with `prefix`."""
        if len(prefix) == _SHORT and prefix[0] == _INDEX_TAG and prefix[1] & _MORE:
            longer = _Finds(self, prefix)
            # A frame may end here, which makes it none: then there is no longer prefix.
            return lambda rest: longer[rest[:1]](rest[1:]) if rest else None
        index = read_index(prefix)
        if not 0 <= index < len(self._modules):
            return _find_nothing
        module_id = self._modules[index].module_id
        if module_id is None:
            return _find_nothing
        module = self._held.modules.get_young(module_id)
        if module is not None:
            self.peeked += 1
        else:
            module = self._held.modules.get(module_id)
        if module is None:
            return _find_nothing
        self.used[index] = module
        return module.frames.young.get


class _Finds(dict[bytes, Find]):
    """What finds the frames by how they go on after `begun`, made when the first such one comes."""

    def __init__(self, named: _NamedModules, begun: bytes = b"") -> None:
        super().__init__()
        self._named = named
        self._begun = begun

    def __missing__(self, piece: bytes) -> Find:
        find = self[piece] = self._named.open(self._begun + piece)
        return find


def split_frame(frame: bytes) -> tuple[bytes, bytes]:
    """Return the field `module_index` of an encoded frame, and what follows it."""
    length = _LONG if len(frame) > 1 and frame[1] & _MORE else _SHORT
    return frame[:length], frame[length:]


def read_index(prefix: bytes) -> int:
    """Return the module index that is encoded in two or three bytes; -1 where it is not."""
    if len(prefix) < _SHORT or prefix[0] != _INDEX_TAG:
        return -1
    if len(prefix) == _SHORT:
        return -1 if prefix[1] & _MORE else prefix[1]
    return -1 if prefix[2] & _MORE else prefix[1] & ~_MORE | prefix[2] << 7


def _find_nothing(_: bytes) -> None:
    return None
