"""Modules on the command line: `DEBUG_FILE/DEBUG_ID`, or those of crash reports."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from symbolon._forms.documents import read_document
from symbolon._forms.inputs import InputKind, read_input
from symbolon._forms.raw_lines import parse_raw
from symbolon._module_ids import last_part
from symbolon.command_line.reading.files import open_input
from symbolon.errors import InvalidReportError, InvalidRequestError
from symbolon.reports import Module

MODULES_PER_CALL = 1_000


def add_module(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that `read_module` reads."""
    parser.add_argument("module", metavar="DEBUG_FILE/DEBUG_ID", help="such as xul.pdb/44E4...C2")
    parser.add_argument(
        "--code-id",
        default="",
        metavar="ID",
        help="the code id, such as the build id; then the name of the file alone is enough",
    )


def read_module(options: argparse.Namespace) -> Module:
    """Return the module that is named; raise `InvalidRequestError`."""
    name, code_id = options.module, options.code_id
    if code_id and "/" not in name.rstrip("/"):
        return Module(name.rstrip("/"), code_id=code_id)
    return replace(parse_module(name), code_id=code_id)


def add_modules(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that `read_modules` reads."""
    parser.add_argument(
        "modules", metavar="DEBUG_FILE/DEBUG_ID", nargs="*", help="such as xul.pdb/44E4...C2"
    )
    parser.add_argument(
        "--from",
        dest="report",
        metavar="FILE",
        help="the modules of the crash reports in this file, in any form that `symbolicate` reads; "
        "- reads standard input",
    )


def parse_module(text: str) -> Module:
    """Return a module; raise `InvalidRequestError`."""
    debug_file, slash, debug_id = text.rpartition("/")
    if not slash:
        raise InvalidRequestError(f"{text} is not DEBUG_FILE/DEBUG_ID")
    if not debug_id:
        raise InvalidRequestError(
            f"{text} has no debug id: for a module with a code id alone, `symbolon module` with "
            "--code-id shows it if the module is held, and `symbolon missing` if it is missing"
        )
    return Module(last_part(debug_file), debug_id)


def read_modules(options: argparse.Namespace) -> Sequence[Module]:
    """Return the distinct modules in their order; raise `InvalidRequestError` if there are none."""
    named = map(parse_module, options.modules)
    found = () if options.report is None else _read_reports(options.report)
    modules = list(dict.fromkeys([*named, *found]))
    if not modules:
        raise InvalidRequestError("no module is named: give DEBUG_FILE/DEBUG_ID or --from FILE")
    return modules


def _read_reports(file: str) -> Iterator[Module]:
    with open_input(file) as opened:
        given = read_input(opened, are_lines=False)
        for number, part in given.parts:
            name = file if given.kind is InputKind.DOCUMENT else f"line {number}"
            if given.kind is InputKind.RAW:
                yield from _read_raw(part, name)
            else:
                yield from _read_document(part, name)


def _read_document(part: bytes, name: str) -> Iterator[Module]:
    """Yield the modules of reports; report invalid ones, which are left out."""
    for index, job in enumerate(read_document(part, name).jobs):
        for number, entry in enumerate(job.modules):
            if entry.problem:
                _warn_left_out(f"{name}: job {index}: module index {number}", entry.problem)
        yield from (entry.sent for entry in job.modules if entry.is_named)


def _read_raw(line: bytes, name: str) -> Iterator[Module]:
    try:
        raw = parse_raw(line)
    except InvalidReportError as error:
        raise error.saying(f"{name}: {error}") from None
    if raw.fault:
        _warn_left_out(name, raw.fault)
    else:
        yield raw.module


def _warn_left_out(where: str, problem: str) -> None:
    print(f"symbolon: {where} is left out: {problem}", file=sys.stderr)


def cut(modules: Iterable[Module]) -> Iterator[list[Module]]:
    """Yield the modules in lists of a size that a call may have."""
    iterator = iter(modules)
    while some := list(islice(iterator, MODULES_PER_CALL)):
        yield some
