"""A crash as a report in another form has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from uuid import UUID

from symbolon._messages.encoding import NO_MODULE
from symbolon._module_ids import last_part
from symbolon._tecken.counting import Counts
from symbolon._tecken.jobs import Job
from symbolon._tecken.requests import MAX_OFFSET, parse_jobs
from symbolon.errors import InvalidReportError
from symbolon.reports import Frame, Module

_GUID_DIGITS = 32
_MOST_TITLE_CHARACTERS = 300


@dataclass(slots=True)
class Thread:
    """One stack of a crash."""

    title: str
    """Its heading for people; empty: its number."""

    frames: list[Frame] = field(default_factory=list)
    """Innermost first; the module index is the position in the modules of the crash."""


@dataclass(slots=True)
class Crash:
    """What was read of one report. Modules are listed once, in the order of their first frame."""

    threads: list[Thread] = field(default_factory=list)
    indexes: dict[Module, int] = field(default_factory=dict)
    problems: dict[str, None] = field(default_factory=dict)
    """What the report lacks, one line each."""

    def add_thread(self, title: str = "") -> None:
        """Begin the next stack. A long title is cut: one line may be that of many stacks."""
        self.threads.append(Thread(title[:_MOST_TITLE_CHARACTERS]))

    def add_frame(
        self, module: Module | None, offset: int, *, is_return_address: bool = False
    ) -> None:
        """Add a frame to the last stack; `module` is `None` if it is in no known module."""
        index = None if module is None else self.indexes.setdefault(module, len(self.indexes))
        self.threads[-1].frames.append(Frame(index, offset, is_return_address))

    def count(self) -> Counts:
        """Return how much it asks for."""
        frames = sum(len(thread.frames) for thread in self.threads)
        return Counts(1, len(self.indexes), len(self.threads), frames)

    def make_job(self, lacks_id: str) -> Job:
        """Return the job; raise `InvalidReportError`.

        `lacks_id` says why modules have neither a debug id nor a code id, and how to get one.
        """
        if not any(thread.frames for thread in self.threads):
            raise InvalidReportError("has no stack with frames")
        [job] = parse_jobs({"memoryMap": list(self._list_modules()), "stacks": self._list_stacks()})
        frames = list(chain.from_iterable(thread.frames for thread in self.threads))
        returning = {place for place, frame in enumerate(frames) if frame.is_return_address}
        return replace(
            job,
            frames=replace(job.frames, returning=returning),
            problems=(*job.problems, *self.problems, *self._list_nameless(lacks_id)),
            titles=tuple(thread.title for thread in self.threads),
        )

    def _list_modules(self) -> Iterator[list[str]]:
        for module in self.indexes:
            yield [module.debug_file, module.debug_id, module.code_file, module.code_id]

    def _list_stacks(self) -> list[list[list[int]]]:
        return [[_write_frame(frame) for frame in thread.frames] for thread in self.threads]

    def _list_nameless(self, reason: str) -> Iterator[str]:
        for module in self.indexes:
            if not (module.debug_id or module.code_id):
                yield f"{module.debug_file or module.code_file}: {reason}"


def _write_frame(frame: Frame) -> list[int]:
    index = NO_MODULE if frame.module_index is None else frame.module_index
    return [index, frame.module_offset]


def read_address(value: object) -> int | None:
    """Return an address or offset, in hex digits with or without 0x; `None` if it is not one."""
    try:
        address = int(value, 16) if isinstance(value, str) else None
    except ValueError:
        return None
    return address if address is not None and 0 <= address <= MAX_OFFSET else None


def make_elf_module(path: str, build_id: str) -> Module:
    """Return the module of an ELF file; its debug id is made of the build id, as Breakpad does.

    The first 16 bytes are three little-endian numbers and eight bytes of a GUID; a short build id
    is padded with zeros.
    """
    name = last_part(path)
    if len(build_id) % 2 or not build_id:
        return Module(name, "", path, "")
    digits = build_id[:_GUID_DIGITS].ljust(_GUID_DIGITS, "0")
    guid = UUID(bytes_le=bytes.fromhex(digits)).hex.upper()
    return Module(name, f"{guid}0", path, build_id.lower())


def make_mach_o_module(path: str, uuid: str) -> Module:
    """Return the module of a Mach-O file, whose debug id is its UUID."""
    name, digits = last_part(path), uuid.replace("-", "")
    if len(digits) != _GUID_DIGITS or not digits.strip("0"):
        return Module(name, "", path, "")
    return Module(name, f"{digits.upper()}0", path, digits.lower())


def make_walked_module(
    code_file: str, debug_file: str = "", debug_id: str = "", code_id: str = ""
) -> Module:
    """Return the module of a minidump, in which an id of zeros is that of a module without one."""
    known = debug_id if debug_id.strip("0") else ""
    return Module(last_part(debug_file or code_file), known, code_file, code_id)
