"""Frames that were looked up, as pieces of the answer that do not depend on the request."""

from collections.abc import Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii as quote
from typing import Final, NamedTuple

from symbolon._messages.decoding import decode_enum
from symbolon._messages.fifo_cache import FifoCache
from symbolon.results import FrameOutcome
from symbolon.v1 import stack_pb2

_CACHED_BYTES: Final = 8 * 2**20
"""Of encoded frames; the pieces take several times as much."""


class Level(NamedTuple):
    """An inline frame, or the function that contains them all."""

    symbol: str
    """The name that the file has, a mangled one say, as JSON."""

    name: str
    """The function, as JSON."""

    source: str
    """The fields of the source file, as JSON with a comma at the end; empty if it is not known."""

    line: int
    """0 if it is not known."""


@dataclass(frozen=True, slots=True)
class FoundFrame:
    """What was found for one frame."""

    outcome: FrameOutcome
    function: str
    """The outermost one; empty if none was found."""

    function_offset: int
    levels: Sequence[Level]
    """Innermost first; empty without a function."""


def _read(data: bytes) -> FoundFrame:
    frame = stack_pb2.SymbolicatedFrame.FromString(data)
    outcome = decode_enum(FrameOutcome, frame.outcome)
    levels = [_make_level(inline) for inline in frame.inlines]
    levels = [*levels, _make_level(frame)] if frame.function else []
    return FoundFrame(outcome, frame.function, frame.function_offset, levels)


def _make_level(level: stack_pb2.InlineFrame | stack_pb2.SymbolicatedFrame) -> Level:
    name = quote(level.function)
    symbol = quote(level.linkage_name) if level.linkage_name else name
    return Level(symbol, name, _write_source(level.file), level.line)


def _write_source(file: str) -> str:
    if not file:
        return ""
    path = file.rstrip("/\\")
    name = path[max(path.rfind("/"), path.rfind("\\")) + 1 :]
    return f'"filename":{quote(name)},"abs_path":{quote(file)},'


FOUND_FRAMES = FifoCache(_read, _CACHED_BYTES)
"""From an encoded `symbolon.v1.SymbolicatedFrame`."""
