"""Page directories as bytes.

The content, inside its `envelope`, whose owner is the module id:

| part | what |
|---|---|
| header | `_HEADER`: all that are numbers, and the bytes of the texts |
| texts | a JSON list: generation, OS, architecture, module name, code id, supplier, bad records |
| column | by `write_columns`, the steps from each page's first module offset to the next |

A call reads the directories of all its modules, so the numbers are not in JSON, where each would
have to be checked.
"""

import json
import struct
from typing import Any, Final

import numpy as np

from symbolon_server.symbols.ground.errors import DamagedPageError
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import IngestFacts, ModuleFacts, Offsets, PageDirectory
from symbolon_server.symbols.paging.column_codes import PackedColumns, write_columns
from symbolon_server.symbols.paging.envelope import seal, unseal

MARK: Final = b"SyD"

_HEADER: Final = struct.Struct("<QQQQQQdd?II")
"""Functions, public symbols, ranges; stored and fetched bytes, the last invalidation; end and
seconds of the ingest; whether there is a dictionary; bytes of the texts, pages."""

_TEXT: Final = {str}
_COUNT: Final = {int}
_FEW_BYTES: Final = 4
"""Steps of so many bytes are too small for the sum of a directory's to overflow."""


def directory_owner(module_id: ModuleId) -> bytes:
    """Return whose a module's directory is, for its seal."""
    return str(module_id).encode()


def encode_directory(module_id: ModuleId, directory: PageDirectory) -> bytes:
    """Return the directory of a module as bytes that `decode_directory` reads."""
    facts, ingest = directory.facts, directory.ingest
    named = (facts.os, facts.architecture, facts.module_name, facts.code_id, ingest.supplier)
    texts = json.dumps([directory.generation, *named, dict(facts.skipped_records)]).encode()
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
    """Return the module's directory that `data` is; raise `DamagedPageError` where it is none."""
    return read_directory(unseal(MARK, directory_owner(module_id), data))


def read_directory(content: bytes) -> PageDirectory:
    """Return the directory with this content; raise `DamagedPageError` where it is none."""
    try:
        return _read(content)
    except (ValueError, IndexError, TypeError, AttributeError, struct.error) as error:
        raise DamagedPageError("a page directory that does not fit") from error


def _read(content: bytes) -> PageDirectory:
    numbers = _HEADER.unpack_from(content)
    functions, public_symbols, ranges, stored_bytes, fetched_bytes, as_of, *rest = numbers
    finished_at, seconds, has_dictionary, text_bytes, pages = rest
    place = _HEADER.size + text_bytes
    texts: list[Any] = json.loads(content[_HEADER.size : place].decode())
    generation, os, architecture, module_name, code_id, supplier, skipped = texts
    if not _TEXT.issuperset(map(type, texts[:-1])):
        raise TypeError("a text that is none")
    if not _COUNT.issuperset(map(type, skipped.values())):
        raise TypeError("bad records that are not counted")
    return PageDirectory(
        generation,
        ModuleFacts(
            os, architecture, module_name, code_id, functions, public_symbols, ranges, skipped
        ),
        IngestFacts(supplier, finished_at, seconds, fetched_bytes, as_of),
        stored_bytes,
        _read_offsets(PackedColumns(content, place, [pages])),
        has_dictionary,
    )


def _read_offsets(columns: PackedColumns) -> Offsets:
    """Return the first module offset of each page; raise `ValueError` where they do not rise."""
    steps = columns.column(0)
    offsets = np.add.accumulate(steps, dtype=np.uint64)
    rise = steps[1:] if steps.itemsize <= _FEW_BYTES else offsets[1:] > offsets[:-1]
    if not rise.all():
        raise ValueError("pages that do not follow one another")
    return offsets
