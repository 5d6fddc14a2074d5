"""Reads a module's file in whatever format it comes: its first bytes decide.

A symbol file is parsed as it arrives. A native file is first written to disk, because its sections
are read in any order.
"""

from collections.abc import Iterator
from contextlib import contextmanager
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
from symbolon_server.telemetry.tracing.spans import child

_PRIVATE = 0o700


class ModuleFileReader:
    """Reads files of modules, in an ingest process."""

    def __init__(
        self,
        folder: Path | None = None,
        max_unpacked_bytes: int = 8 * GIB,
        *,
        are_demangled: bool = True,
    ) -> None:
        """Keep native files in `folder`, created when needed; by default that of the system.

        A native file may unpack itself to `max_unpacked_bytes`. Mangled names are demangled if
        `are_demangled`.
        """
        self._folder = folder
        self._max_unpacked_bytes = max_unpacked_bytes
        self._are_demangled = are_demangled

    def read(self, asked: AskedModule, pieces: Iterator[bytes]) -> SymbolTable:
        """Return the table of a file given in pieces, each of about a MiB.

        Raises `MalformedSymbolFileError` if it cannot be read or is another module's, and
        `UnavailableSymbolFileError` if this host cannot store it.
        """
        first = next(pieces, b"")
        whole = chain((first,), pieces)
        if kind_of(first[:BEGINNING_BYTES]) in (FileKind.TEXT, FileKind.UNKNOWN):
            reader = SymbolFileReader(asked.module_id, are_demangled=self._are_demangled)
            with child("read symbol file"):
                return reader.read(whole)
        try:
            with self._on_disk(whole) as path, child("convert native file"):
                return convert(
                    path,
                    asked,
                    are_demangled=self._are_demangled,
                    max_unpacked_bytes=self._max_unpacked_bytes,
                    folder=self._folder,
                )
        except OSError as error:
            detail = f"this host cannot store its file: {(error.strerror or 'failed').lower()}"
            raise UnavailableSymbolFileError(detail) from None

    @contextmanager
    def _on_disk(self, pieces: Iterator[bytes]) -> Iterator[Path]:
        """Write a file to disk; yield a path to it within this process.

        The file has no name in its folder, so that nothing is left behind by a process that is
        killed.
        """
        if self._folder is not None:
            self._folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        with TemporaryFile(dir=self._folder) as file:
            file.writelines(pieces)
            file.flush()
            yield Path(f"/dev/fd/{file.fileno()}")
