"""`symbolon symbolicate` for raw lines: `xul.pdb/44E4…C2 0x1a2f`, from a log or a debugger."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from symbolon._answer_text import write_raw_frame
from symbolon._forms.inputs import Part
from symbolon._forms.raw_lines import parse_raw
from symbolon._messages.answers import ReportResult
from symbolon._messages.encoding import EncodedReport, Report
from symbolon._tecken.answers import write_v5_frame
from symbolon.client import Client
from symbolon.command_line.parsers import PARTLY_REFUSED, SUCCESS
from symbolon.errors import InvalidReportError
from symbolon.reports import Frame
from symbolon.text import TextStyle, choose_colors


@dataclass(frozen=True, slots=True)
class RawLine:
    """One line: a report of one frame."""

    number: int
    text: bytes
    is_return_address: bool

    def encode(self) -> EncodedReport:
        """Return the encoded frame; raise `InvalidReportError`."""
        raw = parse_raw(self.text)
        if raw.fault:  # it would fail the call, which has other lines
            raise InvalidReportError(f"not looked up: {raw.fault}")
        frame = Frame(0, raw.module_offset, self.is_return_address)
        return Report([raw.module], [[frame]]).encode()


def run(client: Client, lines: Iterable[Part], options: argparse.Namespace) -> int:
    """Print the answer to each line, in their order."""
    code = SUCCESS
    style = TextStyle(choose_colors(options.color), full_paths=options.full_paths)
    results = client.symbolicate_many(
        read_lines(lines, options), options.max_wait, with_linkage_names=options.linkage_names
    )
    for result in results:
        if result.error is not None:
            code = PARTLY_REFUSED
        for line in write_text(result, style) if options.format == "text" else write_json(result):
            print(line)
    return code


def read_lines(lines: Iterable[Part], options: argparse.Namespace) -> Iterator[RawLine]:
    """Yield the lines; with --return-addresses each is one: none is known to be innermost."""
    for number, line in lines:
        yield RawLine(number, line, options.return_addresses)


def write_text(result: ReportResult[RawLine], style: TextStyle) -> Iterator[str]:
    """Yield the frame's lines; those after the innermost call are indented."""
    if result.error is not None:
        yield f"line {result.report.number}: {result.error}"
        return
    ((frame,),) = result.symbolication().stacks
    yield from write_raw_frame(frame, style)


def write_json(result: ReportResult[RawLine]) -> Iterator[str]:
    """Yield the frame as version 5 has it, on one line."""
    if result.encoded is None:
        yield json.dumps({"error": f"line {result.report.number}: {result.error}"})
    else:
        ((frame,),) = result.encoded.stacks
        yield write_v5_frame(0, frame).decode("ascii")
