"""The names and paths of a SymCache as numbered texts."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from symbolon_server.symbols.ground.errors import MalformedSymbolFileError
from symbolon_server.symbols.native.columns import (
    ABSENT,
    FileColumns,
    FunctionColumns,
    Rows,
)
from symbolon_server.symbols.native.paths import join_path
from symbolon_server.symbols.native.source_names import (
    are_sources,
    restore_underscore,
    source_name,
    whole_name,
)
from symbolon_server.symbols.native.strings import read_strings
from symbolon_server.symbols.reading.named_records import StringPool
from symbolon_server.symbols.reading.spelling import add_linkage_name, clean_path
from symbolon_server.symbols.reading.symbol_table import NO_TEXT, UNNAMED_ORIGIN

Strings = NDArray[np.uint8]

MAX_PATH_BYTES: Final = 16
"""All paths together, for each byte of strings and of files: each file names two directories, so
a long one of 40,000 files would fill the memory."""

FREE_PATH_BYTES: Final = 1 << 20
"""All paths together, in addition."""


def number_names(
    functions: FunctionColumns,
    rows: Rows,
    strings: Strings,
    pool: StringPool,
    *,
    are_demangled: bool,
    with_linkage_names: bool = False,
    lack_underscore: bool = False,
) -> NDArray[np.int32]:
    """Return the number in `pool` of each of these functions' names; shape of `rows`.

    A function without a name gets `UNNAMED_ORIGIN`. Those that change when they are demangled have
    the linkage name behind them `with_linkage_names`. `lack_underscore` says that the library took
    one from names that should have it.
    """
    keys = functions.name[rows].astype(np.uint64) << np.uint64(1) | are_sources(functions, rows)
    keys, places = np.unique(keys, return_inverse=True)
    offsets, texts = np.unique((keys >> np.uint64(1)).astype(np.uint32), return_inverse=True)
    names = read_strings(strings, offsets)
    if lack_underscore:
        names = [restore_underscore(name) for name in names]
    sources = (keys & np.uint64(1)).astype(np.bool_).tolist()
    pairs = [(names[text], source) for text, source in zip(texts.tolist(), sources, strict=True)]
    linkage_names = (whole_name(name, is_source=is_source) for name, is_source in pairs)
    if are_demangled:
        shown = [source_name(name, is_source=is_source) for name, is_source in pairs]
        names = list(map(add_linkage_name, shown, linkage_names)) if with_linkage_names else shown
    else:
        names = list(linkage_names)
    numbers = [pool.put(name or UNNAMED_ORIGIN) for name in names]
    return np.array(numbers, np.int32)[places]


def number_paths(
    files: FileColumns, rows: Rows, strings: Strings, pool: StringPool
) -> NDArray[np.int32]:
    """Return the number in `pool` of the path of each file, or `NO_TEXT` where none is in `rows`.

    The shape is (files + 1,): row `ABSENT` has no file. Raises `MalformedSymbolFileError` if the
    paths are longer than any compiler's.
    """
    numbers = np.full(len(files.name) + 1, NO_TEXT, np.int32)
    is_used = np.zeros(len(files.name) + 1, np.bool_)
    is_used[rows] = True
    used = np.flatnonzero(is_used[:ABSENT])
    parts = np.stack([files.compilation_directory[used], files.directory[used], files.name[used]])
    offsets, places = np.unique(parts, return_inverse=True)
    texts = read_strings(strings, offsets)
    left = FREE_PATH_BYTES + MAX_PATH_BYTES * (len(strings) + files.name.nbytes)
    of_files = []
    folders: dict[tuple[int, int], bytes] = {}
    columns = [column.tolist() for column in places.reshape(parts.shape)]
    for compilation_directory, directory, name in zip(*columns, strict=True):
        key = compilation_directory, directory
        folder = folders.get(key)
        if folder is None:
            folder = folders[key] = join_path(texts[compilation_directory], texts[directory])
        path = join_path(folder, texts[name])
        left -= len(path)
        if left < 0:
            raise MalformedSymbolFileError("its paths are too long for its number of files")
        of_files.append(pool.put(clean_path(path)))
    numbers[used] = of_files
    return numbers
