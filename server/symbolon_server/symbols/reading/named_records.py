"""What the records with a name, or with a fact about the module, say."""

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

import numpy as np

from symbolon_server.symbols.ground.errors import MalformedSymbolFileError
from symbolon_server.symbols.ground.module_ids import ModuleId, normalise_debug_id
from symbolon_server.symbols.reading.bulk_names import (
    parse_files,
    parse_functions,
    parse_inline_origins,
    parse_publics,
)
from symbolon_server.symbols.reading.columns import Indexes
from symbolon_server.symbols.reading.records import LINE_FILE, RecordKind
from symbolon_server.symbols.reading.spelling import add_linkage_name, clean_path, demangle_all
from symbolon_server.symbols.reading.symbol_table import NO_TEXT
from symbolon_server.symbols.reading.tokens import TextBlock

_LAST_PLAIN_NUMBER = 2**31 - 1

_MODULE = re.compile(rb"MODULE +([^ ]+) +([^ ]+) +([^ ]+)(?: .*)?", re.DOTALL)
_CODE_ID = re.compile(rb"INFO +CODE_ID +([^ ]+)(?: +(.+))?", re.DOTALL)

NO_FUNCTION: Final = -1
"""The open function where none is open."""

_Record = TypeVar("_Record")


class StringPool:
    """Distinct texts as UTF-8 bytes, numbered in order of first use."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {b"": NO_TEXT}
        self.texts: list[bytes] = [b""]

    def put(self, text: bytes) -> int:
        """Return the number of `text`; bytes that are not UTF-8 become U+FFFD."""
        number = self._numbers.get(text)
        return self._add(text) if number is None else number

    def put_all(self, texts: Iterable[bytes]) -> list[int]:
        """Return the number of each of `texts`, as `put` does."""
        find, add = self._numbers.get, self._add
        return [add(text) if (number := find(text)) is None else number for text in texts]

    def _add(self, text: bytes) -> int:
        number = self._numbers[text] = len(self.texts)
        is_ascii = text.isascii()
        self.texts.append(text if is_ascii else text.decode(errors="replace").encode())
        return number


class Aliases:
    """Small replacements for FILE and INLINE_ORIGIN numbers that do not fit 31 bits.

    Such numbers are allowed but never seen; an alias lets them fit the columns of the others.
    """

    def __init__(self) -> None:
        self._aliases: dict[int, int] = {}

    def fit(self, number: int) -> int:
        """Return `number`, or a negative alias below `LINE_FILE` if it needs over 31 bits."""
        if number <= _LAST_PLAIN_NUMBER:
            return number
        return self._aliases.setdefault(number, LINE_FILE - 1 - len(self._aliases))


class NamedRecords:
    """What the MODULE, INFO, FILE, INLINE_ORIGIN, FUNC and PUBLIC records of a file say."""

    def __init__(self, module_id: ModuleId, *, are_demangled: bool) -> None:
        """Expect the MODULE record of `module_id`; demangle names if `are_demangled`.

        Names of a variant with linkage names have these behind them.
        """
        self._module_id = module_id.plain
        self._with_linkage_names = module_id.has_linkage_names
        self._are_demangled = are_demangled
        self.aliases = Aliases()
        self.strings = StringPool()
        self.skipped: Counter[RecordKind] = Counter()
        self.os = ""
        self.architecture = ""
        self.code_id = ""
        self.code_file = ""
        self.has_module_record = False
        self.files: dict[int, int] = {}
        self.origins: dict[int, int] = {}
        self.function_starts = array("Q")
        self.function_sizes = array("Q")
        self.function_names = array("q")
        self.function_multiples = bytearray()
        self.public_names: dict[int, tuple[int, bool]] = {}

    def read_module(self, record: bytes) -> bool:
        """Read a MODULE record; return whether the records after it still belong to the module.

        Only the first one counts. A later one with another debug id starts another symbol file, as
        in concatenated files. Raises `MalformedSymbolFileError` if the first one has another debug
        id or none.
        """
        match = _MODULE.fullmatch(record)
        if self.has_module_record:
            self.skipped[RecordKind.MODULE] += match is None
            return match is None or self._is_own(match[3].decode(errors="replace"))
        if match is None:
            raise MalformedSymbolFileError("its MODULE record has no debug id")
        self.os, self.architecture, debug_id = _decode_all(match.groups())
        if not self._is_own(debug_id):
            raise MalformedSymbolFileError("its MODULE record has another debug id")
        self.has_module_record = True
        return True

    def _is_own(self, debug_id: str) -> bool:
        return normalise_debug_id(debug_id) == self._module_id.debug_id

    def read_info(self, record: bytes) -> None:
        """Read an INFO record; only the first `INFO CODE_ID <code id> [<code file>]` counts."""
        match = _CODE_ID.fullmatch(record.rstrip(b" "))
        if match is not None and not self.code_id:
            self.code_id, self.code_file = _decode_all(match.groups(b""))

    def read_files(self, block: TextBlock, lines: Indexes) -> None:
        """Read the FILE records on `lines`; the first one of a number wins."""
        records = self._drop_bad(RecordKind.FILE, parse_files(block, lines))
        for record in records:
            number = self.aliases.fit(record.number)
            self.files.setdefault(number, self.strings.put(clean_path(record.name)))

    def read_inline_origins(self, block: TextBlock, lines: Indexes) -> None:
        """Read the INLINE_ORIGIN records on `lines`; the first one of a number wins."""
        records = self._drop_bad(RecordKind.INLINE_ORIGIN, parse_inline_origins(block, lines))
        texts = self._put_names([record.name for record in records])
        for record, text in zip(records, texts, strict=True):
            self.origins.setdefault(self.aliases.fit(record.number), text)

    def read_functions(self, block: TextBlock, lines: Indexes) -> Indexes:
        """Read the FUNC records on `lines`; return their numbers, `NO_FUNCTION` for bad ones."""
        found = parse_functions(block, lines)
        records = self._drop_bad(RecordKind.FUNC, found)
        first = len(self.function_starts)
        self.function_starts.extend([record.start for record in records])
        self.function_sizes.extend([record.size for record in records])
        self.function_names.extend(self._put_names([record.name for record in records]))
        self.function_multiples.extend([record.is_multiple for record in records])
        numbers = np.full(len(lines), NO_FUNCTION, np.int64)
        is_good = np.array([record is not None for record in found], np.bool_)
        numbers[is_good] = first + np.arange(len(records))
        return numbers

    def read_publics(self, block: TextBlock, lines: Indexes) -> None:
        """Read the PUBLIC records on `lines`; a second one at an address is bad."""
        records = self._drop_bad(RecordKind.PUBLIC, parse_publics(block, lines))
        texts = self._put_names([record.name for record in records])
        for record, text in zip(records, texts, strict=True):
            if record.start in self.public_names:
                self.skipped[RecordKind.PUBLIC] += 1
            # ntdll.pdb and others have symbols without an address, such as _CIlog, at address 0.
            elif record.start:
                self.public_names[record.start] = text, record.is_multiple

    def _drop_bad(self, kind: RecordKind, records: Sequence[_Record | None]) -> list[_Record]:
        """Return the good records, and count the bad ones."""
        good = [record for record in records if record is not None]
        self.skipped[kind] += len(records) - len(good)
        return good

    def _put_names(self, names: Sequence[bytes]) -> list[int]:
        shown = demangle_all(names) if self._are_demangled else names
        if self._with_linkage_names:
            shown = list(map(add_linkage_name, shown, names))
        return self.strings.put_all(shown)


def _decode_all(fields: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(field.decode(errors="replace") for field in fields)
