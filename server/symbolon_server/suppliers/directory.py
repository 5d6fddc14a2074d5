"""A supplier that is a folder of symbol files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from symbolon_server.suppliers.contents.errors import UnavailableSymbolFileError
from symbolon_server.suppliers.contents.files import (
    OpenedFile,
    describe_error,
    open_inside,
    resolve,
)
from symbolon_server.suppliers.contents.limits import FetchLimits
from symbolon_server.suppliers.contents.supplier import SymbolFileStream
from symbolon_server.suppliers.layouts.any_casing import open_in_any_case
from symbolon_server.suppliers.layouts.layout import PathParts, ask_in_turn
from symbolon_server.suppliers.layouts.listings import Listings
from symbolon_server.suppliers.layouts.options import Casing, SupplierOptions
from symbolon_server.symbols.ground.asked_modules import AskedModule


class DirectorySupplier:
    """Symbol files below one folder, plain or compressed; never a file outside of it.

    Symbolic links are followed as long as they stay inside the folder.
    """

    def __init__(
        self,
        root: Path,
        limits: FetchLimits | None = None,
        options: SupplierOptions | None = None,
    ) -> None:
        """Look below `root`, which need not exist yet, as its `options` say."""
        self._root = root
        self._limits = limits or FetchLimits()
        self._options = options or SupplierOptions()
        self._listings = Listings() if self._options.casing is Casing.ANY else None

    @property
    def name(self) -> str:
        """The folder's path; bytes of it that are not UTF-8 are spelt out."""
        return str(self._root).encode(errors="backslashreplace").decode()

    @contextmanager
    def fetch(self, asked: AskedModule) -> Iterator[SymbolFileStream]:
        """Yield the module's symbol file."""
        opened = self._open(asked)
        with opened.file:
            yield SymbolFileStream(opened.read_pieces(), self._limits)

    def _open(self, asked: AskedModule) -> OpenedFile:
        try:
            # A folder that is not mounted has no symbol files, but that is no definite no.
            root = resolve(self._root)
            options = self._options
            return ask_in_turn(
                options.layouts, options.casing.spell, asked, lambda parts: self._try(root, parts)
            )
        except OSError as error:
            raise UnavailableSymbolFileError(describe_error(error)) from None

    def _try(self, root: Path, parts: PathParts) -> OpenedFile:
        if self._listings is None:
            return open_inside(root, root.joinpath(*parts))
        return open_in_any_case(root, parts, self._listings)
