"""A run over the lines of an input: by one process, or by several if that is worth it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from multiprocessing import Pipe
from typing import BinaryIO

from symbolon._batching.progress import Tell
from symbolon._forms.inputs import Part, read_input
from symbolon.client import Client
from symbolon.command_line.parsers import PARTLY_REFUSED, SUCCESS
from symbolon.command_line.reading.credentials import are_plain_files
from symbolon.command_line.reading.files import STANDARD_INPUT, skip
from symbolon.command_line.reading.fixed_input import FixedInput, measure_file
from symbolon.command_line.sharing.answering import answer_lines
from symbolon.command_line.sharing.assignments import Assignment
from symbolon.command_line.sharing.blocks import OwnBlocks
from symbolon.command_line.sharing.crew import ENDED_WITH_THE_CREW, Crew
from symbolon.command_line.sharing.turns import Ring, RingPlace, RingTurns
from symbolon.command_line.showing.line_writer import OnlyWriter, TurnLostError
from symbolon.command_line.showing.outputs import (
    Destination,
    StandardOutput,
    find_standard_output,
    open_file,
)
from symbolon.command_line.showing.progress import ReadBytes, report_progress

MOST_PROCESSES = 4
"""Unless more are asked for."""

BYTES_EACH = 1_000_000
"""Of the input: starting a process costs half a second."""


def plan(options: argparse.Namespace, opened: BinaryIO) -> Run:
    """Return the run that suits the flags, the input, the output and this machine."""
    size = measure_file(opened)
    if size is None or options.file == STANDARD_INPUT:
        return Run(options, opened, 0, opened.tell)
    wanted = options.processes or min(_count_cores(), MOST_PROCESSES, size // BYTES_EACH)
    if wanted <= 1 or not _can_share(options):
        return Run(options, opened, size, opened.tell)
    if options.output is None and find_standard_output() is None:
        return Run(options, opened, size, opened.tell)
    return SharedRun(options, FixedInput(opened.fileno(), size), size, wanted)


def _can_share(options: argparse.Namespace) -> bool:
    """Return whether other processes can be started with the same flags."""
    return os.name == "posix" and bool(sys.executable) and are_plain_files(options)


def _count_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Run:
    """A run by one process."""

    def __init__(
        self, options: argparse.Namespace, opened: BinaryIO, size: int, tell: ReadBytes
    ) -> None:
        """`tell` returns how many bytes of `size` have been read."""
        self._options = options
        self.input = opened
        """What to read."""

        self._size = size
        self._tell = tell

    def run(self, client: Client, parts: Iterable[Part]) -> int:
        """Write the answer to each part; return the exit code."""
        with ExitStack() as stack:
            path = self._options.output
            file = None if path is None else stack.enter_context(open_file(path))
            remaining = skip(parts, file.lines if file else 0)
            progress = report_progress(self._size, self._tell, is_wanted=self._options.progress)
            tell = stack.enter_context(progress)
            is_partly_refused = self._answer(client, remaining, file, tell)
        return PARTLY_REFUSED if is_partly_refused else SUCCESS

    def _answer(
        self, client: Client, parts: Iterable[Part], file: Destination | None, tell: Tell
    ) -> bool:
        """Return whether some of the lines were refused."""
        with ExitStack() as stack:
            output = stack.enter_context(file.open(OnlyWriter())) if file else StandardOutput()
            first = file.lines + 1 if file else 1
            return answer_lines(
                client, parts, self._options, output, tell, first=first, blocks=OwnBlocks()
            )


class SharedRun(Run):
    """A run by several processes, of which this one is the first."""

    def __init__(
        self, options: argparse.Namespace, fixed: FixedInput, size: int, members: int
    ) -> None:
        super().__init__(options, fixed.buffered(), size, fixed.tell)
        self._fixed = fixed
        self._members = members

    def _answer(
        self, client: Client, parts: Iterable[Part], file: Destination | None, tell: Tell
    ) -> bool:
        destination = file or find_standard_output()
        if destination is None:
            raise RuntimeError("standard output was there when the run was planned")
        with (
            Ring(self._members) as ring,
            destination.open(RingTurns(ring.places[0], is_first=True)) as output,
            Crew(tell) as crew,
        ):
            for member in range(1, self._members):
                self._start(crew, member, ring.places[member], destination)
            ring.close(but=ring.places[0])
            try:
                is_partly_refused = answer_lines(
                    client,
                    parts,
                    self._options,
                    output,
                    crew.tell,
                    first=destination.lines + 1,
                    blocks=OwnBlocks(0, self._members),
                )
            except TurnLostError:
                ring.close()  # the others lose theirs, too
                raise crew.explain_lost_turn() from None
            ring.close()
            return crew.finish() or is_partly_refused

    def _start(self, crew: Crew, member: int, place: RingPlace, output: Destination) -> None:
        news, end_of_member = Pipe(duplex=False)
        with end_of_member:
            assignment = Assignment(
                member=member,
                members=self._members,
                input=self._fixed.descriptor,
                size=self._size,
                output=output.descriptor,
                output_name=output.name,
                lines=output.lines,
                previous=place.previous,
                following=place.following,
                news=end_of_member.fileno(),
            )
            crew.add(assignment, news, self._options.arguments)


def join_run(
    client: Client, options: argparse.Namespace, assignment: Assignment, tell: Tell
) -> bool:
    """Answer the lines of a member that is not the first; return whether some were refused."""
    fixed = FixedInput(assignment.input, assignment.size)
    given = read_input(fixed.buffered(), are_lines=True)
    place = RingPlace(assignment.previous, assignment.following)
    turns = RingTurns(place, is_first=False, lose=end_with_crew)
    destination = Destination(assignment.output, assignment.output_name, assignment.lines)
    with destination.open(turns) as output:
        return answer_lines(
            client,
            skip(given.parts, assignment.lines),
            options,
            output,
            tell,
            first=assignment.lines + 1,
            blocks=OwnBlocks(assignment.member, assignment.members),
        )


def end_with_crew() -> None:
    """End this member at once: what it has not written belongs to no one."""
    os._exit(ENDED_WITH_THE_CREW)
