"""Reads a module's file in whatever format it comes: its first bytes decide.

A symbol file is parsed as it arrives. A native file is first written to disk, because its sections
are read in any order.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import FileIO
from itertools import chain
from pathlib import Path
from tempfile import TemporaryFile

from symbolon_server.debug_files.conversion import convert
from symbolon_server.debug_files.kinds import BEGINNING_BYTES, FileKind, kind_of
from symbolon_server.suppliers.contents.errors import UnavailableSymbolFileError
from symbolon_server.suppliers.contents.limits import GIB
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.reading.reader import SymbolFileReader
from symbolon_server.symbols.reading.symbol_table import SymbolTable


class ModuleFileReader:
    """Reads files of modules, in an ingest process."""

    def __init__(
        self,
        folder: Path | None = None,
        max_unpacked_bytes: int = 8 * GIB,
        *,
        are_demangled: bool = True,
    ) -> None:
        """Keep native files in `folder` while they are read; by default that of the system.

        A native file may unpack itself to `max_unpacked_bytes`. Mangled names are demangled if
        `are_demangled`.
        """
        self._folder = folder
        self._max_unpacked_bytes = max_unpacked_bytes
        self._are_demangled = are_demangled

    def read(self, asked: AskedModule, pieces: Iterator[bytes]) -> SymbolTable:
        """Return the table of a file given in pieces, each of about a MiB.

        Raises `MalformedSymbolFileError` if it cannot be read or is another module's, and
        `UnavailableSymbolFileError` if this host has no room for it.
        """
        first = next(pieces, b"")
        whole = chain((first,), pieces)
        if kind_of(first[:BEGINNING_BYTES]) not in (FileKind.TEXT, FileKind.UNKNOWN):
            with self._on_disk(whole) as path, _trouble_of_host("read"):
                return convert(
                    path,
                    asked,
                    are_demangled=self._are_demangled,
                    max_unpacked_bytes=self._max_unpacked_bytes,
                    folder=self._folder,
                )
        reader = SymbolFileReader(asked.module_id, are_demangled=self._are_demangled)
        return reader.read(whole)

    @contextmanager
    def _on_disk(self, pieces: Iterator[bytes]) -> Iterator[Path]:
        """Write a file to disk; yield a path to it within this process.

        The file has no name in its folder, so that nothing is left behind by a process that is
        killed.
        """
        with ExitStack() as opened:
            with _trouble_of_host("store"):
                file = opened.enter_context(TemporaryFile(buffering=0, dir=self._folder))
                for piece in pieces:
                    _write_all(file, piece)
            yield Path(f"/dev/fd/{file.fileno()}")


@contextmanager
def _trouble_of_host(work: str) -> Iterator[None]:
    """Turn errors of this host's disk and memory into `UnavailableSymbolFileError`."""
    try:
        yield
    except OSError as error:
        detail = f"this host cannot {work} its file: {(error.strerror or 'failed').lower()}"
        raise UnavailableSymbolFileError(detail) from None


def _write_all(file: FileIO, piece: bytes) -> None:
    """Write without a buffer, whose rest would fail once more when the file is closed."""
    rest = memoryview(piece)
    while rest:
        rest = rest[file.write(rest) :]
