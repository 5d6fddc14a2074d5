"""Page directories as bytes.

The content, inside its `envelope`, whose owner is the module id, is one line of JSON with the
facts, a newline, the number of pages (32 bits, little-endian) and a column of the steps from each
page's first module offset to the next.
"""

import json
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from symbolon_server.symbols.column_codes import PackedColumns, write_columns
from symbolon_server.symbols.envelope import seal, unseal
from symbolon_server.symbols.errors import DamagedPageError
from symbolon_server.symbols.module_ids import ModuleId
from symbolon_server.symbols.pages import IngestFacts, ModuleFacts, PageDirectory

MARK: Final = b"SyD"

_TEXT: Final = {str}
_COUNT: Final = {int}
_TIME: Final = {int, float}


def directory_owner(module_id: ModuleId) -> bytes:
    """Return whose a module's directory is, for its seal."""
    return str(module_id).encode()


def encode_directory(module_id: ModuleId, directory: PageDirectory) -> bytes:
    """Return the directory of a module as bytes that `decode_directory` reads."""
    facts = {
        "generation": directory.generation,
        "facts": asdict(directory.facts),
        "ingest": asdict(directory.ingest),
        "stored_bytes": directory.stored_bytes,
        "has_dictionary": directory.has_dictionary,
    }
    steps = np.diff(directory.first_offsets, prepend=np.uint64(0)).astype(np.uint64)
    count = directory.page_count.to_bytes(4, "little")
    content = json.dumps(facts).encode() + b"\n" + count + write_columns([steps])
    return seal(MARK, directory_owner(module_id), content)


def decode_directory(module_id: ModuleId, data: bytes) -> PageDirectory:
    """Return the module's directory that `data` is; raise `DamagedPageError` where it is none."""
    return read_directory(unseal(MARK, directory_owner(module_id), data))


def read_directory(content: bytes) -> PageDirectory:
    """Return the directory with this content; raise `DamagedPageError` where it is none."""
    text, _, rest = content.partition(b"\n")
    try:
        facts: dict[str, Any] = json.loads(text)
        steps = PackedColumns(rest, 4, [int.from_bytes(rest[:4], "little")]).column(0)
        directory = PageDirectory(
            facts["generation"],
            ModuleFacts(**facts["facts"]),
            IngestFacts(**facts["ingest"]),
            facts["stored_bytes"],
            np.add.accumulate(steps, dtype=np.uint64),
            facts["has_dictionary"] is True,
        )
        _check(directory)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise DamagedPageError("a page directory that does not fit") from error
    return directory


def _check(directory: PageDirectory) -> None:
    """Raise `TypeError` or `ValueError` for what is of another kind than it says.

    A checksum does not keep it away: whoever writes a directory can write a right one.
    """
    facts, ingest, skipped = directory.facts, directory.ingest, directory.facts.skipped_records
    names = (facts.os, facts.architecture, facts.module_name, facts.code_id, ingest.supplier)
    counts = (facts.functions, facts.public_symbols, facts.ranges, ingest.fetched_bytes)
    for kinds, values in (
        (_TEXT, (directory.generation, *names, *skipped.keys())),
        (_COUNT, (directory.stored_bytes, *counts, ingest.as_of, *skipped.values())),
        (_TIME, (ingest.finished_at, ingest.seconds)),
    ):
        if not kinds.issuperset(map(type, values)):
            raise TypeError(values)
    offsets = directory.first_offsets
    if not (offsets[1:] > offsets[:-1]).all():
        raise ValueError("pages that do not follow one another")
