"""The records with a name, or with a fact about the module, read one at a time."""

import re
from array import array
from collections import Counter
from collections.abc import Iterable
from typing import Final

from symbolon_server.symbols.ground.errors import MalformedSymbolFileError
from symbolon_server.symbols.ground.module_ids import ModuleId, normalise_debug_id
from symbolon_server.symbols.reading.records import (
    LINE_FILE,
    RecordKind,
    parse_file,
    parse_function,
    parse_inline_origin,
    parse_public,
)
from symbolon_server.symbols.reading.spelling import add_linkage_name, clean_path, demangle
from symbolon_server.symbols.reading.symbol_table import NO_TEXT

_LAST_PLAIN_NUMBER = 2**31 - 1

_MODULE = re.compile(rb"MODULE +([^ ]+) +([^ ]+) +([^ ]+)(?: .*)?", re.DOTALL)
_CODE_ID = re.compile(rb"INFO +CODE_ID +([^ ]+)(?: +(.+))?", re.DOTALL)

NO_FUNCTION: Final = -1
"""The open function where none is open."""


class StringPool:
    """Distinct texts as UTF-8 bytes, numbered in order of first use."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {b"": NO_TEXT}
        self.texts: list[bytes] = [b""]

    def put(self, text: bytes) -> int:
        """Return the number of `text`; bytes that are not UTF-8 become U+FFFD."""
        number = self._numbers.get(text)
        if number is None:
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

    def read_file(self, record: bytes) -> None:
        """Read a FILE record; the first one of a number wins."""
        file = parse_file(record)
        if file is None:
            self.skipped[RecordKind.FILE] += 1
        else:
            self.files.setdefault(
                self.aliases.fit(file.number), self.strings.put(clean_path(file.name))
            )

    def read_inline_origin(self, record: bytes) -> None:
        """Read an INLINE_ORIGIN record; the first one of a number wins."""
        origin = parse_inline_origin(record)
        if origin is None:
            self.skipped[RecordKind.INLINE_ORIGIN] += 1
        else:
            self.origins.setdefault(self.aliases.fit(origin.number), self._put_name(origin.name))

    def read_function(self, record: bytes) -> int:
        """Read a FUNC record and return its number, or `NO_FUNCTION` if it is bad."""
        function = parse_function(record)
        if function is None:
            self.skipped[RecordKind.FUNC] += 1
            return NO_FUNCTION
        self.function_starts.append(function.start)
        self.function_sizes.append(function.size)
        self.function_names.append(self._put_name(function.name))
        self.function_multiples.append(function.is_multiple)
        return len(self.function_starts) - 1

    def read_public(self, record: bytes) -> None:
        """Read a PUBLIC record; of two at one address the first wins and the other is bad."""
        public = parse_public(record)
        if public is None or public.start in self.public_names:
            self.skipped[RecordKind.PUBLIC] += 1
        # ntdll.pdb and others have symbols without an address, such as _CIlog, at address 0.
        elif public.start:
            self.public_names[public.start] = self._put_name(public.name), public.is_multiple

    def _put_name(self, name: bytes) -> int:
        shown = demangle(name) if self._are_demangled else name
        return self.strings.put(
            add_linkage_name(shown, name) if self._with_linkage_names else shown
        )


def _decode_all(fields: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(field.decode(errors="replace") for field in fields)
