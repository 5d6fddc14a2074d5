"""A layout that files each format of native files in its own way."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from symbolon_server.suppliers.layouts.identities import (
    FileFormat,
    FileIdentity,
    identities_of,
    is_windows_without_pdb,
    may_be_elf,
)
from symbolon_server.suppliers.layouts.layout import CandidatePath, FileUse, Layout
from symbolon_server.symbols.ground.asked_modules import AskedModule

Rule = Callable[[FileIdentity], Iterator[CandidatePath]]
"""Yields the paths of a module of one format; none if something is unknown that they contain."""

NO_BUILD_ID: Final = "needs the build id (code id), which the request does not have"
NO_PE_CODE_ID: Final = (
    "needs the code id (timestamp and image size), which the request does not have"
)
NO_DEBUG_ID: Final = "needs the debug id, which the request does not have"
NO_CODE_FILE: Final = "needs the code file, which the request does not have"
NO_CODE_ID: Final = "needs the code id, which the request does not have"
NEITHER: Final = "needs code file and code id, which the request does not have"

_ORDER: Final = (FileUse.DEBUG, FileUse.CODE, FileUse.TEXT)


@dataclass(frozen=True, slots=True)
class FormatLayout:
    """Paths by format: debug files first, then code files, then symbol files."""

    rules: Mapping[FileFormat, Rule]

    others: Sequence[Layout] = ()
    """Layouts of modules of any format."""

    needs_code_file: bool = False
    """Whether all paths contain code file and code id."""

    needs_pe_code_id: bool = False
    """Whether the path of a PE contains its code id."""

    def __call__(self, asked: AskedModule) -> Iterator[CandidatePath]:
        """Yield the distinct paths of the module, in order."""
        found = dict.fromkeys(self._find(asked))
        yield from sorted(found, key=lambda candidate: _ORDER.index(candidate.use))

    def lacks(self, asked: AskedModule, files: Collection[FileUse] = _ORDER) -> str:
        """Return what the request must have for all paths of `files`, for humans, or nothing."""
        if self.needs_code_file:
            return _lacks_names(asked)
        if asked.code_id:
            return ""
        may_be_native = FileUse.DEBUG in files or FileUse.CODE in files
        if may_be_native and FileFormat.ELF in self.rules and may_be_elf(asked):
            return NO_BUILD_ID
        is_pe_needed = self.needs_pe_code_id and is_windows_without_pdb(asked)
        return NO_PE_CODE_ID if is_pe_needed and FileUse.CODE in files else ""

    def _find(self, asked: AskedModule) -> Iterator[CandidatePath]:
        for identity in identities_of(asked):
            rule = self.rules.get(identity.format)
            if rule is not None:
                yield from rule(identity)
        for layout in self.others:
            yield from layout(asked)


def lacks(layout: Layout, asked: AskedModule, files: Collection[FileUse] = _ORDER) -> str:
    """Return what the request must have for all paths to `files`; empty if it has that."""
    if asked.is_named_by_code_id and all(path.use not in files for path in layout(asked)):
        return NO_DEBUG_ID
    return layout.lacks(asked, files) if isinstance(layout, FormatLayout) else ""


def _lacks_names(asked: AskedModule) -> str:
    if asked.code_file:
        return "" if asked.code_id else NO_CODE_ID
    return NO_CODE_FILE if asked.code_id else NEITHER
