"""The records that carry a name, or a fact of the whole module, read one at a time."""

import re
from array import array
from collections import Counter
from collections.abc import Iterable
from typing import Final

from symbolon_server.symbols.ground.debug_ids import normalise_debug_id
from symbolon_server.symbols.ground.errors import MalformedSymbolFileError
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.strings import StringPool
from symbolon_server.symbols.reading.records import (
    LINE_FILE,
    RecordKind,
    parse_file,
    parse_function,
    parse_inline_origin,
    parse_public,
)
from symbolon_server.symbols.reading.spelling import clean_path, demangle

NO_FUNCTION: Final = -1
"""Stands for the open function where none is."""

_LAST_PLAIN_NUMBER = 2**31 - 1

_MODULE = re.compile(rb"MODULE +([^ ]+) +([^ ]+) +([^ ]+)(?: .*)?", re.DOTALL)
_CODE_ID = re.compile(rb"INFO +CODE_ID +([^ ]+)(?: +(.+))?", re.DOTALL)


class Aliases:
    """Small stand-ins for FILE and INLINE_ORIGIN numbers that do not fit 31 bits.

    Such numbers are allowed and unheard of; with an alias they fit the columns of the others.
    """

    def __init__(self) -> None:
        """Start without any alias."""
        self._aliases: dict[int, int] = {}

    def fit(self, number: int) -> int:
        """Return `number`, or its negative alias below `LINE_FILE` if it is beyond 31 bits."""
        if number <= _LAST_PLAIN_NUMBER:
            return number
        return self._aliases.setdefault(number, LINE_FILE - 1 - len(self._aliases))


class NamedRecords:
    """What the MODULE, INFO, FILE, INLINE_ORIGIN, FUNC and PUBLIC records of a file say."""

    def __init__(self, module_id: ModuleId, *, are_demangled: bool) -> None:
        """Expect the MODULE record of `module_id`; demangle names, or leave them as they are."""
        self._module_id = module_id
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
        """Read a MODULE record, and return whether what follows is still the module's.

        Only the first one is listened to; a later one of another debug id begins another symbol
        file, as in files that were put together. Raises `MalformedSymbolFileError` where the first
        has another debug id or none.
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
        """Read an INFO record; only the first `INFO CODE_ID <code id> [<code file>]` matters."""
        match = _CODE_ID.fullmatch(record.rstrip(b" "))
        if match is not None and not self.code_id:
            self.code_id, self.code_file = _decode_all(match.groups(b""))

    def read_file(self, record: bytes) -> None:
        """Read a FILE record; the first of a number wins."""
        file = parse_file(record)
        if file is None:
            self.skipped[RecordKind.FILE] += 1
        else:
            self.files.setdefault(
                self.aliases.fit(file.number), self.strings.put(clean_path(file.name))
            )

    def read_inline_origin(self, record: bytes) -> None:
        """Read an INLINE_ORIGIN record; the first of a number wins."""
        origin = parse_inline_origin(record)
        if origin is None:
            self.skipped[RecordKind.INLINE_ORIGIN] += 1
        else:
            self.origins.setdefault(self.aliases.fit(origin.number), self._put_name(origin.name))

    def read_function(self, record: bytes) -> int:
        """Read a FUNC record and return its number, or `NO_FUNCTION` where it is bad."""
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
        # ntdll.pdb and others have symbols without an address, such as _CIlog, at 0.
        elif public.start:
            self.public_names[public.start] = self._put_name(public.name), public.is_multiple

    def _put_name(self, name: bytes) -> int:
        return self.strings.put(demangle(name) if self._are_demangled else name)


def _decode_all(fields: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(field.decode(errors="replace") for field in fields)
