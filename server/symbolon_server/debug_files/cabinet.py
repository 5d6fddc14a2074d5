"""Unpacks cabinets, in which symbol servers of Microsoft's tools keep files: `name.pd_`."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final

from symbolon_server.debug_files.kinds import BEGINNING_BYTES, FileKind, kind_of
from symbolon_server.debug_files.packages import archi_for
from symbolon_server.symbols.ground.errors import MalformedSymbolFileError

MAX_RATIO: Final = 100
"""How many times as large as its cabinet a file may be. A PDB gets 4 to 10 times smaller, and a
file of zeros over 500 times."""

FREE_BYTES: Final = 64 << 20
"""What a file may have whatever the size of its cabinet."""

_PIECE_BYTES: Final = 1 << 20


@contextmanager
def unpacked(
    path: Path, max_bytes: int, folder: Path | None = None
) -> Iterator[tuple[Path, FileKind]]:
    """Yield the file itself, or the one in it if it is a cabinet, and its kind.

    What is unpacked lies in `folder`, by default that of the system, without a name there, so that
    nothing is left behind. Raises what `unpack_cabinet` raises.
    """
    kind = _read_kind(path)
    if kind is not FileKind.CABINET:
        yield path, kind
        return
    with TemporaryFile(dir=folder) as file:
        member = Path(f"/dev/fd/{file.fileno()}")
        unpack_cabinet(path, member, max_bytes)
        yield member, _read_kind(member)


def _read_kind(path: Path) -> FileKind:
    with path.open("rb") as file:
        return kind_of(file.read(BEGINNING_BYTES))


def unpack_cabinet(cabinet: Path, target: Path, max_bytes: int) -> None:
    """Write the only file in `cabinet`, whatever its name, to `target`.

    Stored, MSZIP and LZX are read, Quantum is not. Raises `MalformedSymbolFileError` if the cabinet
    is damaged, of another compression or a part of a set, has not exactly one file, or unpacks to
    over `max_bytes` or `MAX_RATIO`, and `OSError` if it cannot be written.
    """
    archi = archi_for(FileKind.CABINET)
    limit = min(max_bytes, max(FREE_BYTES, MAX_RATIO * cabinet.stat().st_size))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where a warning matters, an error follows
        try:
            _write_only(iter(archi.Archive(str(cabinet))), target, limit)
        except archi.Error as error:
            message = f"its cabinet cannot be unpacked: {_text_of(error)}"
            raise MalformedSymbolFileError(message) from error


def _write_only(entries: Iterator[Any], target: Path, limit: int) -> None:
    entry = next(entries, None)
    if entry is None:
        raise MalformedSymbolFileError("its cabinet is empty")
    _write(entry, target, limit)
    if next(entries, None) is not None:
        raise MalformedSymbolFileError("its cabinet has more than one file")


def _write(entry: Any, target: Path, limit: int) -> None:
    left = limit
    # Without a buffer, whose rest would fail once more when the file is closed.
    with target.open("wb", buffering=0) as file:
        while piece := entry.read(_PIECE_BYTES):
            left -= len(piece)
            if left < 0:
                raise MalformedSymbolFileError(f"its cabinet unpacks to over {limit} bytes")
            rest = memoryview(piece)
            while rest:
                rest = rest[file.write(rest) :]


def _text_of(error: Exception) -> str:
    """Return the message of libarchive, which it has as bytes after a number."""
    message = error.args[-1]
    return message.decode(errors="replace") if isinstance(message, bytes) else str(message)
