"""Reads Breakpad symbol files: pieces of bytes in, a symbol table out.

The text is never in memory as a whole. It is read in blocks, whose records are read as columns,
kind by kind. Functions are resolved, and their records dropped, as soon as enough of them are
complete.
"""

import re
from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols.ground.errors import NoSymbolFileError
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.reading.bulk_records import BulkRecords
from symbolon_server.symbols.reading.columns import FunctionParts, Indexes
from symbolon_server.symbols.reading.group_resolver import GroupResolver
from symbolon_server.symbols.reading.named_records import NO_FUNCTION, NamedRecords
from symbolon_server.symbols.reading.record_kinds import CODES, KINDS, find_kinds
from symbolon_server.symbols.reading.records import RecordKind
from symbolon_server.symbols.reading.resolution import FunctionSpans
from symbolon_server.symbols.reading.symbol_table import SymbolTable
from symbolon_server.symbols.reading.table_builder import build_table
from symbolon_server.symbols.reading.tokens import TextBlock, cut

BLOCK_BYTES: Final = 1 << 20
"""Text that is tokenised at once: its columns fit into a processor's cache."""

MAX_RECORD_BYTES: Final = 1 << 24
"""The longest record; a longer one is bad. Names of 82 KB occur in practice."""

RESOLVE_RECORDS: Final = 200_000
"""Number of records after which the functions that are complete are resolved."""

_BLANK_LINES = re.compile(rb"\n\n+")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LONGEST_WORD = len("INLINE_ORIGIN ")


class SymbolFileReader:
    """Reads the symbol file of one module. Not thread-safe; one reader per file."""

    def __init__(
        self,
        module_id: ModuleId,
        block_bytes: int = BLOCK_BYTES,
        max_record_bytes: int = MAX_RECORD_BYTES,
        resolve_records: int = RESOLVE_RECORDS,
        *,
        are_demangled: bool = True,
    ) -> None:
        """Expect the symbol file of `module_id`; a record may be longer than a block.

        Mangled names are demangled if `are_demangled`.
        """
        self._module_id = module_id
        self._block_bytes = block_bytes
        self._max_record_bytes = max_record_bytes
        self._resolve_records = resolve_records
        self._named = NamedRecords(module_id, are_demangled=are_demangled)
        self._bulk = BulkRecords(self._named.aliases, self._named.skipped)
        self._text = bytearray()
        self._is_at_start = True
        self._is_skipping = False
        self._has_read_block = False
        self._is_over = False
        self._open_function = NO_FUNCTION
        self._parts: list[FunctionParts] = []
        self._resolver = GroupResolver()
        self._taken_functions = 0

    def read(self, pieces: Iterable[bytes]) -> SymbolTable:
        """Return the table of a file given in pieces; raise what `feed` and `finish` raise."""
        for piece in pieces:
            self.feed(piece)
        return self.finish()

    def feed(self, chunk: bytes) -> None:
        """Read the next bytes of the file.

        Raises `MalformedSymbolFileError` as soon as the file is known to be another module's, and
        `NoSymbolFileError` if the text is not a symbol file.
        """
        self._text += chunk
        if self._is_at_start and len(self._text) >= len(_BYTE_ORDER_MARK):
            self._drop_byte_order_mark()
        if len(self._text) >= self._block_bytes:
            self._read_whole_lines()

    def finish(self) -> SymbolTable:
        """Return the table of the file, after all of it was fed.

        Raises `NoSymbolFileError` if it has no MODULE record.
        """
        self._drop_byte_order_mark()
        # Breakpad's reader treats NULs at the very end as padding, not as text.
        self._text = self._text.rstrip(b"\0") + b"\n"
        self._read_whole_lines()
        if not self._named.has_module_record:
            raise NoSymbolFileError("it has no MODULE record")
        resolved = self._resolver.finish(*self._take_group(len(self._named.function_starts)))
        return build_table(self._named, self._module_id.debug_file, resolved)

    def _drop_byte_order_mark(self) -> None:
        if self._is_at_start and self._text.startswith(_BYTE_ORDER_MARK):
            del self._text[: len(_BYTE_ORDER_MARK)]
        self._is_at_start = False

    def _read_whole_lines(self) -> None:
        """Read the complete lines, a block at a time, and keep the rest.

        Both carriage returns and newlines end a line. A NUL in a name becomes an underscore, as in
        Breakpad's reader.
        """
        end = max(self._text.rfind(b"\n"), self._text.rfind(b"\r")) + 1
        text = bytes(memoryview(self._text)[:end])
        del self._text[:end]
        if b"\r" in text:
            text = text.replace(b"\r", b"\n")
        if b"\0" in text:
            text = text.replace(b"\0", b"_")
        if b"\n\n\n" in text:  # many blank lines would cost as much as other lines
            text = _BLANK_LINES.sub(b"\n", text)
        first = self._find_end_of_skipped(text)
        longest_record = max(self._max_record_bytes + 1, self._block_bytes)
        while first < len(text):
            # A small rest is read with the last block rather than as a block of its own.
            is_last = len(text) - first < min(2 * self._block_bytes, longest_record)
            longest_end = len(text) if is_last else first + self._block_bytes
            end_of_block = text.rfind(b"\n", first, longest_end) + 1
            end_of_block = end_of_block or text.index(b"\n", first) + 1
            if end_of_block - first > longest_record:
                self._skip_record(text[first : first + _LONGEST_WORD])
            else:
                self._read_block(cut(text[first:end_of_block]))
            first = end_of_block
        if len(self._text) > self._max_record_bytes or self._is_skipping:
            self._skip_unfinished_record()

    def _find_end_of_skipped(self, text: bytes) -> int:
        """Return where the first line starts that does not belong to a record being skipped."""
        if not self._is_skipping or not text:
            return 0
        self._is_skipping = False
        return text.index(b"\n") + 1

    def _skip_unfinished_record(self) -> None:
        """Drop the start of a record that is too long, and count the record once."""
        if not self._is_skipping:
            self._skip_record(bytes(self._text[:_LONGEST_WORD]))
        self._is_skipping = True
        self._text.clear()

    def _skip_record(self, start: bytes) -> None:
        """Count a record that is too long, by its kind, and close the open function as it would."""
        if not self._named.has_module_record:
            raise NoSymbolFileError("it does not begin with a MODULE record")
        kind = KINDS[find_kinds(cut(start + b"\n"))[0]]
        self._named.skipped[RecordKind.UNKNOWN if kind is RecordKind.LINE else kind] += 1
        if kind in (RecordKind.FUNC, RecordKind.PUBLIC):
            self._open_function = NO_FUNCTION

    def _read_block(self, block: TextBlock) -> None:
        if self._has_read_block and not self._named.has_module_record:
            raise NoSymbolFileError("it does not begin with a MODULE record")
        self._has_read_block = True
        is_record = block.line_ends > block.line_starts
        kinds = find_kinds(block)
        end = self._find_end(block, kinds)
        if end < len(kinds):
            self._skip_others(block, kinds, end + np.flatnonzero(is_record[end:]))
            is_record, kinds = is_record[:end], kinds[:end]
        owners = self._read_named_records(block, kinds)
        lines = np.flatnonzero(is_record & (kinds == CODES[RecordKind.LINE]))
        inlines = np.flatnonzero(kinds == CODES[RecordKind.INLINE])
        self._parts.append(self._bulk.read(block, owners, lines, inlines))
        unresolved = sum(len(part.lines.owner) + len(part.ranges.owner) for part in self._parts)
        complete = len(self._named.function_starts) - 1
        if unresolved > self._resolve_records and complete > self._taken_functions:
            self._resolver.resolve(*self._take_group(complete))

    def _find_end(self, block: TextBlock, kinds: NDArray[np.int8]) -> int:
        """Read the MODULE records; return the first line that belongs to another module."""
        if self._is_over:
            return 0
        places: list[int] = np.flatnonzero(kinds == CODES[RecordKind.MODULE]).tolist()
        for place in places:
            if not self._named.read_module(block.line_text(place)):
                self._is_over = True
                return place
        return len(kinds)

    def _skip_others(self, block: TextBlock, kinds: NDArray[np.int8], lines: Indexes) -> None:
        """Count the records at these lines, which belong to another module, by kind."""
        counts = np.bincount(kinds[lines], minlength=len(KINDS)).tolist()
        counts[CODES[RecordKind.LINE]] = 0
        self._named.skipped.update(dict(zip(KINDS, counts, strict=True)))
        self._bulk.skip_lines(block, lines[kinds[lines] == CODES[RecordKind.LINE]])

    def _read_named_records(self, block: TextBlock, kinds: NDArray[np.int8]) -> Indexes:
        """Read the records with names; return the function that is open at each line."""
        named = self._named
        for line in np.flatnonzero(kinds == CODES[RecordKind.INFO]).tolist():
            named.read_info(block.line_text(line))
        named.read_files(block, np.flatnonzero(kinds == CODES[RecordKind.FILE]))
        named.read_inline_origins(block, np.flatnonzero(kinds == CODES[RecordKind.INLINE_ORIGIN]))
        is_function, is_public = kinds == CODES[RecordKind.FUNC], kinds == CODES[RecordKind.PUBLIC]
        named.read_publics(block, np.flatnonzero(is_public))
        changes = np.flatnonzero(is_function | is_public)
        opened = np.full(len(changes) + 1, NO_FUNCTION, np.int64)
        opened[0] = self._open_function
        opened[1:][is_function[changes]] = named.read_functions(block, np.flatnonzero(is_function))
        self._open_function = int(opened[-1])
        return np.repeat(opened, np.diff(changes, prepend=0, append=len(kinds)))

    def _take_group(self, end: int) -> tuple[FunctionSpans, FunctionParts]:
        """Take the functions before number `end` that were not yet taken, with their records."""
        first = self._taken_functions
        parts, rest = FunctionParts.join(self._parts).split(end)
        functions = FunctionSpans(
            first,
            np.array(self._named.function_starts[first:end], np.uint64),
            np.array(self._named.function_sizes[first:end], np.uint64),
        )
        self._taken_functions = end
        self._parts = [rest]
        return functions, parts
