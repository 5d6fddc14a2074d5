"""Page directories as bytes.

The content, inside an `envelope` whose owner is the module id:

| part | content |
|---|---|
| header | `_HEADER`: all numbers, and the size of the texts |
| texts | a JSON list: generation, the texts and other facts of the module, bad records |
| column | by `write_columns`: the distance from each page's first module offset to the next |

A call reads the directories of all its modules. The numbers are therefore not in JSON, where each
would have to be checked.
"""

import json
import struct
from functools import partial
from typing import Any, Final

import numpy as np

from symbolon_server.symbols.ground.errors import DamagedPageError, if_whole
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import IngestFacts, ModuleFacts, Offsets, PageDirectory
from symbolon_server.symbols.paging.column_codes import PackedColumns, write_columns
from symbolon_server.symbols.paging.envelope import seal, unseal

MARK: Final = b"SyD"

_HEADER: Final = struct.Struct("<QQQQQQdd?II")
"""Functions, public symbols, ranges; stored and fetched bytes, last invalidation; end and duration
of the ingest; whether there is a dictionary; bytes of the texts, number of pages."""

_TEXT: Final = {str}
_COUNT: Final = {int}
_FEW_BYTES: Final = 4
"""The sum of steps of this item size cannot overflow."""


def directory_owner(module_id: ModuleId) -> bytes:
    """Return the owner of a module's directory, for its seal."""
    return str(module_id).encode()


def encode_directory(module_id: ModuleId, directory: PageDirectory) -> bytes:
    """Return a module's directory as bytes for `decode_directory`."""
    facts, ingest = directory.facts, directory.ingest
    named = (facts.os, facts.architecture, facts.module_name, facts.code_id, facts.format)
    others = (facts.notes, facts.has_debug_info, dict(facts.skipped_records))
    texts = json.dumps([directory.generation, *named, ingest.supplier, *others]).encode()
    header = _HEADER.pack(
        facts.functions,
        facts.public_symbols,
        facts.ranges,
        directory.stored_bytes,
        ingest.fetched_bytes,
        ingest.as_of,
        ingest.finished_at,
        ingest.seconds,
        directory.has_dictionary,
        len(texts),
        directory.page_count,
    )
    steps = np.diff(directory.first_offsets, prepend=np.uint64(0)).astype(np.uint64)
    return seal(MARK, directory_owner(module_id), header + texts + write_columns([steps]))


def decode_directory(module_id: ModuleId, data: bytes) -> PageDirectory:
    """Return the module's directory; raise `DamagedPageError` if `data` is damaged."""
    return read_directory(unseal(MARK, directory_owner(module_id), data))


def decode_if_whole(module_id: ModuleId, data: bytes | None) -> PageDirectory | None:
    """Return the module's directory, or None if `data` is absent or damaged."""
    return if_whole(partial(decode_directory, module_id), data)


def read_directory(content: bytes) -> PageDirectory:
    """Return the directory with this content; raise `DamagedPageError` if it is invalid."""
    try:
        return _read(content)
    except (ValueError, IndexError, TypeError, AttributeError, struct.error) as error:
        raise DamagedPageError("an inconsistent page directory") from error


def _read(content: bytes) -> PageDirectory:
    numbers = _HEADER.unpack_from(content)
    functions, public_symbols, ranges, stored_bytes, fetched_bytes, as_of, *rest = numbers
    finished_at, seconds, has_dictionary, text_bytes, pages = rest
    place = _HEADER.size + text_bytes
    texts: list[Any] = json.loads(content[_HEADER.size : place].decode())
    *named, notes, has_debug_info, skipped = texts
    generation, os, architecture, module_name, code_id, file_format, supplier = named
    if not _TEXT.issuperset(map(type, [*named, *notes])):
        raise TypeError("not a text")
    if type(has_debug_info) is not bool or type(notes) is not list:
        raise TypeError("not a flag, or no list")
    if not _COUNT.issuperset(map(type, skipped.values())):
        raise TypeError("not a number of bad records")
    return PageDirectory(
        generation,
        ModuleFacts(
            os,
            architecture,
            module_name,
            code_id,
            functions,
            public_symbols,
            ranges,
            skipped,
            file_format,
            has_debug_info,
            tuple(notes),
        ),
        IngestFacts(supplier, finished_at, seconds, fetched_bytes, as_of),
        stored_bytes,
        _read_offsets(PackedColumns(content, place, [pages])),
        has_dictionary,
    )


def _read_offsets(columns: PackedColumns) -> Offsets:
    """Return the first module offset of each page; raise `ValueError` unless they ascend."""
    steps = columns.column(0)
    offsets = np.add.accumulate(steps, dtype=np.uint64)
    rise = steps[1:] if steps.itemsize <= _FEW_BYTES else offsets[1:] > offsets[:-1]
    if not rise.all():
        raise ValueError("pages out of order")
    return offsets
