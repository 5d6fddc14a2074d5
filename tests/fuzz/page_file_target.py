"""Bytes as a page file of the spool, unchanged and with a corrected checksum."""

import tempfile
import zlib
from functools import cache
from pathlib import Path

from symbolon_server.store.spool import Spool
from symbolon_server.symbols.ground.errors import DamagedPageError
from symbolon_server.symbols.ground.pages import PageKey
from symbolon_server.symbols.paging.directory import decode_directory
from symbolon_server.symbols.paging.file import PageFile, encode_page_file
from tests.fuzz.samples import MODULE_ID, encoded_directories, paged_modules
from tests.fuzz.target import Target

_SPOOL_BYTES = 1 << 30
_NUMBERS = (0, 1, 2**31, 2**32 - 1)
_CHECKSUM = slice(8, 12)
_HEAD_BYTES = 12


def take(data: bytes) -> None:
    """Read `data` after its first byte, which says whether to correct the checksum."""
    if not data:
        return
    content = _with_checksum(data[1:]) if data[0] & 1 else data[1:]
    _read(content)
    _read_from_spool(content)


def _with_checksum(content: bytes) -> bytes:
    """Return `content` with a correct checksum of its header and table."""
    if len(content) < _HEAD_BYTES:
        return content
    table_bytes = 8 * (int.from_bytes(content[4:8], "little") + 2)
    table = content[_HEAD_BYTES : _HEAD_BYTES + table_bytes]
    checksum = zlib.crc32(table, zlib.crc32(content[: _CHECKSUM.start]))
    head = content[: _CHECKSUM.start] + checksum.to_bytes(4, "little")
    return head + content[_CHECKSUM.stop :]


def _read(content: bytes) -> None:
    try:
        file = PageFile(len(content), lambda place, count: content[place : place + count])
    except DamagedPageError:
        return
    assert len(file.directory) <= len(content)
    for number in (*range(min(file.page_count, 50)), *_NUMBERS):
        try:
            assert len(file.page(number)) <= len(content)
        except IndexError:
            assert number >= file.page_count


@cache
def _spool() -> tuple[Spool, Path]:
    """Return a spool and the path of its one page file."""
    folder = Path(tempfile.mkdtemp(prefix="symbolon-fuzz-"))
    spool = Spool(folder, _SPOOL_BYTES)
    assert spool.put_module(MODULE_ID, b"", [])
    (path,) = folder.rglob(f"{MODULE_ID.debug_id}*")
    return spool, path


def _read_from_spool(content: bytes) -> None:
    spool, path = _spool()
    path.write_bytes(content)
    (directory,) = spool.get_directories([MODULE_ID])
    generation = "fuzz"
    if directory is not None:
        try:
            generation = decode_directory(MODULE_ID, directory).generation
        except DamagedPageError:
            return
    path.write_bytes(content)
    spool.get_pages([PageKey(MODULE_ID, generation, number) for number in _NUMBERS])


def _seeds() -> list[bytes]:
    modules = zip(encoded_directories(), paged_modules(), strict=True)
    files = [b"".join(encode_page_file(directory, module.pages)) for directory, module in modules]
    return [bytes([how]) + file for how in (0, 1) for file in files]


TARGET = Target(take, _seeds, longest=8_192)
