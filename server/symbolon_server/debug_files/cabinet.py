"""Unpacks cabinets, in which symbol servers of Microsoft's tools keep files: `name.pd_`."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final, NamedTuple

from symbolon_server.debug_files.kinds import BEGINNING_BYTES, FileKind, kind_of
from symbolon_server.debug_files.packages import archi_for
from symbolon_server.symbols.ground.errors import MalformedSymbolFileError
from symbolon_server.symbols.ground.unpacked_sizes import OUT_OF_PROPORTION, is_out_of_proportion

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
    over `max_bytes` or out of proportion, and `OSError` if it cannot be written.
    """
    archi = archi_for(FileKind.CABINET)
    limits = _Limits(cabinet.stat().st_size, max_bytes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where a warning matters, an error follows
        try:
            _write_only(iter(archi.Archive(str(cabinet))), target, limits)
        except archi.Error as error:
            message = f"its cabinet cannot be unpacked: {_text_of(error)}"
            raise MalformedSymbolFileError(message) from error


class _Limits(NamedTuple):
    cabinet_bytes: int
    max_bytes: int

    def check(self, count: int) -> None:
        """Refuse so many unpacked bytes."""
        if count > self.max_bytes:
            raise MalformedSymbolFileError(f"its cabinet unpacks to over {self.max_bytes} bytes")
        if is_out_of_proportion(count, self.cabinet_bytes):
            raise MalformedSymbolFileError(f"its cabinet unpacks to over {OUT_OF_PROPORTION}")


def _write_only(entries: Iterator[Any], target: Path, limits: _Limits) -> None:
    entry = next(entries, None)
    if entry is None:
        raise MalformedSymbolFileError("its cabinet is empty")
    _write(entry, target, limits)
    if next(entries, None) is not None:
        raise MalformedSymbolFileError("its cabinet has more than one file")


def _write(entry: Any, target: Path, limits: _Limits) -> None:
    count = 0
    # Without a buffer, whose rest would fail once more when the file is closed.
    with target.open("wb", buffering=0) as file:
        while piece := entry.read(_PIECE_BYTES):
            count += len(piece)
            limits.check(count)
            rest = memoryview(piece)
            while rest:
                rest = rest[file.write(rest) :]


def _text_of(error: Exception) -> str:
    """Return the message of libarchive, which it has as bytes after a number."""
    message = error.args[-1]
    return message.decode(errors="replace") if isinstance(message, bytes) else str(message)
