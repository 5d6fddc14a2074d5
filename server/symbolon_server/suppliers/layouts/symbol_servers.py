"""Layouts of Microsoft's symbol servers: name, id, name again.

    symstore         crash.pdb/3249D99D0C4049318610F4E4FB0B69361/crash.pdb
                     crash.exe/5AB380779000/crash.exe
                     _.debug/elf-buildid-sym-dfb85de42daffd09640c8fe377d572de3e168920/_.debug
    symstore_index2  cr/crash.pdb/3249D99D0C4049318610F4E4FB0B69361/crash.pdb
    ssqp             crash.pdb/3249d99d0c4049318610f4e4fb0b69361/crash.pdb

A file compressed as CAB has `_` as the last character of its name: `crash.pd_`. `file.ptr` in the
place of a file refers to one elsewhere, mostly on a share of the server's network.
"""

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import partial
from typing import Final, NamedTuple

from symbolon_server.suppliers.layouts.format_layout import FormatLayout, Rule
from symbolon_server.suppliers.layouts.identities import FileFormat, FileIdentity
from symbolon_server.suppliers.layouts.layout import CandidatePath, FileUse

POINTER_FILE: Final = "file.ptr"

NOT_FOLLOWED: Final = "has only a file.ptr, which is not followed"
"""Said instead of reading one: a server may name any path in it."""

_PORTABLE_AGE: Final = "FFFFFFFF"
_TIER_CHARACTERS: Final = 2


class Compressed(Enum):
    """When to request a PDB or PE under the name that it has when it is compressed."""

    FIRST = "first"
    LAST = "last"
    NEVER = "never"

    def names(self, name: str) -> tuple[str, ...]:
        """Return the names to request for a file, in order."""
        packed = name[:-1] + "_"
        match self:
            case Compressed.FIRST:
                return packed, name
            case Compressed.LAST:
                return name, packed
            case Compressed.NEVER:
                return (name,)


class _Style(NamedTuple):
    """How a kind of symbol server writes names and ids."""

    spell_name: Callable[[str], str]
    pdb_id: Callable[[FileIdentity], str]
    pe_id: Callable[[FileIdentity], str]


_SYMSTORE: Final = _Style(
    spell_name=str,
    pdb_id=lambda identity: identity.guid + _age_of(identity).lower(),
    pe_id=lambda identity: identity.pe_code_id,
)
_SSQP: Final = _Style(
    spell_name=str.lower,
    pdb_id=lambda identity: identity.guid.lower() + _age_of(identity),
    pe_id=lambda identity: identity.pe_code_id.lower(),
)


def is_pointer(candidate: CandidatePath) -> bool:
    """Return whether this is a pointer file, of which only the existence matters."""
    return candidate.parts[-1].lower() == POINTER_FILE


def symstore(compressed: Compressed) -> FormatLayout:
    """Return the layout that symstore.exe writes."""
    return FormatLayout(_rules(_SYMSTORE, compressed), needs_pe_code_id=True)


def symstore_index2(compressed: Compressed) -> FormatLayout:
    """Return the layout of symstore.exe in two tiers."""
    rules = _rules(_SYMSTORE, compressed)
    tiered = {name: partial(_in_tiers, rule) for name, rule in rules.items()}
    return FormatLayout(tiered, needs_pe_code_id=True)


def ssqp(compressed: Compressed) -> FormatLayout:
    """Return the layout of the Simple Symbol Query Protocol."""
    return FormatLayout(_rules(_SSQP, compressed), needs_pe_code_id=True)


def windows_rules(compressed: Compressed) -> Mapping[FileFormat, Rule]:
    """Return the rules of symstore for PDB and PE, without pointer files."""
    return _windows_rules(_SYMSTORE, compressed, ())


def _rules(style: _Style, compressed: Compressed) -> Mapping[FileFormat, Rule]:
    return {
        **_windows_rules(style, compressed, (POINTER_FILE,)),
        FileFormat.ELF: partial(_elf_paths, style),
        FileFormat.MACH_O: partial(_mach_o_paths, style),
    }


def _windows_rules(
    style: _Style, compressed: Compressed, others: tuple[str, ...]
) -> Mapping[FileFormat, Rule]:
    def pdb_paths(identity: FileIdentity) -> Iterator[CandidatePath]:
        name = style.spell_name(identity.debug_file)
        for file in (*compressed.names(name), *others):
            yield CandidatePath((name, style.pdb_id(identity), file), FileUse.DEBUG)

    def pe_paths(identity: FileIdentity) -> Iterator[CandidatePath]:
        name = style.spell_name(identity.code_file)
        if name and identity.code_id:
            for file in (*compressed.names(name), *others):
                yield CandidatePath((name, style.pe_id(identity), file), FileUse.CODE)

    return {FileFormat.PDB: pdb_paths, FileFormat.PE: pe_paths}


def _elf_paths(style: _Style, identity: FileIdentity) -> Iterator[CandidatePath]:
    name, build_id = style.spell_name(identity.code_file), identity.code_id
    yield CandidatePath(("_.debug", f"elf-buildid-sym-{build_id}", "_.debug"), FileUse.DEBUG)
    yield CandidatePath((name, f"elf-buildid-{build_id}", name), FileUse.CODE)


def _mach_o_paths(style: _Style, identity: FileIdentity) -> Iterator[CandidatePath]:
    name, uuid = style.spell_name(identity.code_file), identity.guid.lower()
    yield CandidatePath(("_.dwarf", f"mach-uuid-sym-{uuid}", "_.dwarf"), FileUse.DEBUG)
    yield CandidatePath((name, f"mach-uuid-{uuid}", name), FileUse.CODE)


def _in_tiers(rule: Rule, identity: FileIdentity) -> Iterator[CandidatePath]:
    for path in rule(identity):
        tier = path.parts[0][:_TIER_CHARACTERS]
        if tier[1:] == ".":  # no folder of Windows ends in a dot
            tier = tier[0]
        if tier != ".":
            yield path._replace(parts=(tier, *path.parts))


def _age_of(identity: FileIdentity) -> str:
    return _PORTABLE_AGE if identity.is_portable else identity.age
