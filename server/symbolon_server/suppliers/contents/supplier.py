"""The contract of a supplier, and the stream of a symbol file from one."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, Self

from symbolon_server.suppliers.contents.errors import BrokenSymbolFileError
from symbolon_server.suppliers.contents.limits import FetchLimits, describe_bytes
from symbolon_server.suppliers.contents.unpacking import unpack
from symbolon_server.suppliers.layouts.layout import CandidatePath
from symbolon_server.symbols.ground.asked_modules import AskedModule

_BEGINNING_BYTES = 512


class SymbolFileStream(Iterator[bytes]):
    """The unpacked text of one symbol file, in pieces of about a MiB as they arrive.

    Reading raises `SupplierError` if the supplier fails, the bytes cannot be unpacked, or a limit
    is exceeded.
    """

    def __init__(self, sent: Iterable[bytes], limits: FetchLimits) -> None:
        """Read the bytes as sent, compressed or not."""
        self._fetched_bytes = 0
        self._beginning = b""
        counted = self._count(sent, limits.max_sent_bytes)
        self._pieces = unpack(counted, limits.max_unpacked_bytes)

    @property
    def fetched_bytes(self) -> int:
        """Bytes that the supplier sent so far, compressed or not."""
        return self._fetched_bytes

    @property
    def beginning(self) -> bytes:
        """The first bytes of the text; empty before the first piece."""
        return self._beginning

    def __iter__(self) -> Self:
        """Return itself."""
        return self

    def __next__(self) -> bytes:
        """Return the next piece of text."""
        piece = next(self._pieces)
        self._beginning = self._beginning or piece[:_BEGINNING_BYTES]
        return piece

    def _count(self, sent: Iterable[bytes], max_bytes: int) -> Iterator[bytes]:
        for piece in sent:
            self._fetched_bytes += len(piece)
            if self._fetched_bytes > max_bytes:
                raise BrokenSymbolFileError(f"is larger than {describe_bytes(max_bytes)}")
            yield piece


class Supplier(Protocol):
    """A place that may have a module's symbol files."""

    @property
    def name(self) -> str:
        """For humans and logs, without credentials or a query."""

    def candidates(self, asked: AskedModule) -> Sequence[CandidatePath]:
        """Return the files that it may have of the module, in the order in which to fetch them.

        Empty if its layouts need more than the request says; then `lacks` is not empty.
        """

    def lacks(self, asked: AskedModule) -> str:
        """Return what a request must have for further candidates, for humans.

        Such as `needs the build id (code id), which the request does not have`; empty if it has
        all that the layouts use.
        """

    def fetch(self, candidate: CandidatePath) -> AbstractContextManager[SymbolFileStream]:
        """Return one of the `candidates`, to be read within the `with` block.

        Its reader checks that it is the module's. Raises `SupplierError` on entering, or while the
        content is read.
        """
