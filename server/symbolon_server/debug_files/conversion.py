"""Converts a debug file of any kind into a symbol table."""

import mmap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from symbolon_server.debug_files.address_space import more_address_space, within_address_space
from symbolon_server.debug_files.cabinet import unpacked
from symbolon_server.debug_files.elf_checks import SPLIT_DWARF, check_elf
from symbolon_server.debug_files.elf_lines import find_line_tables
from symbolon_server.debug_files.kinds import FileKind
from symbolon_server.debug_files.packages import symbolic_for
from symbolon_server.debug_files.pe_files import find_pdb
from symbolon_server.symbols.ground.asked_modules import AskedModule, normalise_pe_code_id
from symbolon_server.symbols.ground.errors import (
    MalformedSymbolFileError,
    NoSymbolsError,
    OtherModuleError,
    UnsupportedFileError,
)
from symbolon_server.symbols.ground.module_ids import GUID_DIGITS, ModuleId, normalise_debug_id
from symbolon_server.symbols.ground.pages import ModuleFacts
from symbolon_server.symbols.native.reader import read_symcache
from symbolon_server.symbols.reading.reader import SymbolFileReader
from symbolon_server.symbols.reading.symbol_table import SymbolTable

FORMATS: Final = {
    FileKind.ELF: ("elf", "Linux"),
    FileKind.PE: ("pe", "windows"),
    FileKind.PDB: ("pdb", "windows"),
    FileKind.MACH_O: ("macho", "mac"),
    FileKind.WASM: ("wasm", "wasm"),
}
"""Kinds that are converted, with their format and the system as symbol files name it."""

_BUILD_ID_KINDS: Final = frozenset({FileKind.ELF, FileKind.WASM})
"""Kinds whose code id says more than the debug id, which has its first 16 bytes. That of a Mach-O
file is its debug id, that of a PE says when it was linked, and a PDB has none."""

_MAPPINGS: Final = 2
"""How often a file is mapped: to be checked, and by `symbolic`."""

_NIL: Final = "0" * GUID_DIGITS
_PIECE_BYTES = 1 << 20


def convert(
    path: Path,
    asked: AskedModule,
    *,
    are_demangled: bool = True,
    max_unpacked_bytes: int,
    folder: Path | None = None,
) -> SymbolTable:
    """Return the table of the file at `path`, which must be that of the module asked for.

    A file in a cabinet is unpacked into `folder`, by default that of the system. Raises
    `MalformedSymbolFileError` if the file is damaged, does not convert or unpacks to over
    `max_unpacked_bytes`, `OtherModuleError` if it is another module's, `NoSymbolsError` if it has
    no symbols, and `UnsupportedFileError` if it cannot be read here. Takes memory and time in
    proportion to the file, and a damaged file can end the process.
    """
    with (
        unpacked(path, max_unpacked_bytes, folder) as (file, kind),
        more_address_space(_MAPPINGS * file.stat().st_size),
    ):
        if kind is FileKind.TEXT:
            return _read_text(file, asked.module_id, are_demangled=are_demangled)
        if kind not in FORMATS:
            raise UnsupportedFileError(_refusal(kind))
        return _convert_native(
            file,
            kind,
            asked,
            are_demangled=are_demangled,
            max_unpacked_bytes=max_unpacked_bytes,
        )


def _convert_native(
    path: Path,
    kind: FileKind,
    asked: AskedModule,
    *,
    are_demangled: bool,
    max_unpacked_bytes: int,
) -> SymbolTable:
    notes: tuple[str, ...] = ()
    line_tables = None
    if kind is FileKind.ELF:
        content = _map(path)
        notes = check_elf(content, within_address_space(max_unpacked_bytes))
        # Without the inline frames, a line would be shown in the function around them.
        line_tables = None if SPLIT_DWARF in notes else find_line_tables(content)
    data, facts = _convert(path, kind, asked, notes)
    table = read_symcache(
        data,
        facts,
        are_demangled=are_demangled,
        with_linkage_names=asked.module_id.has_linkage_names,
        line_tables=line_tables,
    )
    # Skeletons of split DWARF are debug information too, but hold no functions.
    has_debug_info = facts.has_debug_info and table.facts.functions > 0
    pdb = find_pdb(_map(path)) if kind is FileKind.PE and not has_debug_info else None
    if not len(table.symbols.start):
        raise _absence(pdb)
    facts = table.facts._replace(has_debug_info=has_debug_info)
    return replace(table, facts=facts, debug_module=pdb)


def _map(path: Path) -> memoryview:
    """Return the bytes of a file that is not empty, without reading them."""
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _read_text(path: Path, module_id: ModuleId, *, are_demangled: bool) -> SymbolTable:
    with path.open("rb") as file:
        pieces = iter(lambda: file.read(_PIECE_BYTES), b"")
        return SymbolFileReader(module_id, are_demangled=are_demangled).read(pieces)


def _refusal(kind: FileKind) -> str:
    if kind is FileKind.PORTABLE_PDB:
        return "it is a Portable PDB, which has no native code"
    return f"it is {kind.value}"


def _convert(
    path: Path, kind: FileKind, asked: AskedModule, notes: tuple[str, ...]
) -> tuple[bytes, ModuleFacts]:
    """Return the SymCache of the object asked for, and facts about it, without counts."""
    symbolic = symbolic_for(kind)
    try:
        found = _choose(symbolic.Archive.open(str(path)).iter_objects(), kind, asked)
        data: bytes = found.make_symcache().open_stream().read()
        format_, system = FORMATS[kind]
        return data, ModuleFacts(
            system,
            _architecture(found.arch),
            asked.module_id.debug_file,
            (found.code_id or "").upper(),
            functions=0,
            public_symbols=0,
            ranges=0,
            skipped_records={},
            format=format_,
            has_debug_info="debug" in found.features,
            notes=notes,
        )
    except symbolic.SymbolicError as error:
        problem = str(error).strip().partition("\n")[0] or type(error).__name__
        raise MalformedSymbolFileError(f"it cannot be converted: {problem}") from error


def _choose(objects: Iterator[Any], kind: FileKind, asked: AskedModule) -> Any:
    """Return the object with the id asked for; a file of several has one for each processor."""
    others = []
    for one in objects:
        if kind is FileKind.PE and asked.is_named_by_code_id:
            if normalise_pe_code_id(one.code_id or "") == normalise_pe_code_id(asked.code_id):
                return one
            others.append(one.code_id)
            continue
        debug_id = normalise_debug_id(one.debug_id)
        if debug_id is None or debug_id.startswith(_NIL):
            continue
        if _is_asked(debug_id, asked) and _is_build(one.code_id, kind, asked):
            return one
        others.append(one.code_id if kind in _BUILD_ID_KINDS and one.code_id else debug_id)
    if not others:
        raise OtherModuleError("it has no id that says whose it is")
    raise OtherModuleError(f"it is of another module: {', '.join(others)}")


def _is_asked(debug_id: str, asked: AskedModule) -> bool:
    """Return whether the debug id is the one asked for, with its age unless that is unknown."""
    wanted = asked.module_id.plain.debug_id
    if asked.lacks_age:
        return debug_id[:GUID_DIGITS] == wanted[:GUID_DIGITS]
    return debug_id == wanted


def _is_build(code_id: str | None, kind: FileKind, asked: AskedModule) -> bool:
    """Return whether the whole build id is the one asked for.

    Both ids must match, because pages are stored by debug id. No other kind is refused for a wrong
    code id: what one caller gets wrong would be remembered for all.
    """
    if not (kind in _BUILD_ID_KINDS and asked.code_id and code_id):
        return True
    return code_id.lower() == asked.code_id.lower()


def _architecture(name: str) -> str:
    """Return the name that symbol files have for a processor."""
    for family in ("arm64", "arm", "x86_64"):
        if name.startswith(family):
            return family
    return name


def _absence(pdb: ModuleId | None) -> NoSymbolsError:
    """Say what is missing in a file without functions."""
    known = "" if pdb is None else f"; its PDB is {pdb}"
    return NoSymbolsError(f"has no symbols{known}", pdb)
