"""`symbolon explain`: everything that leads to the answer for one frame."""

import argparse

from symbolon.client import Client
from symbolon.command_line.parsers import SUCCESS, Command
from symbolon.command_line.reading.module_names import add_module, read_module
from symbolon.command_line.showing.facts import show_table, write_bytes, write_fact, write_json
from symbolon.explanations import ExplainedRange, Explanation, SupplierAttempt
from symbolon.results import HeldModule, ModuleOutcome, ModuleResult
from symbolon.text import TextStyle, make_printable, write_calls

_VERDICTS = {
    "TAKEN": "a public symbol applies: it is the last symbol before the offset",
    "FUNCTION_COVERS": "no public symbol applies: a function covers the offset",
    "FUNCTION_BETWEEN": "no public symbol applies: a function starts between it and the offset",
    "NONE_BEFORE": "no symbol starts at or before the offset",
    "UNSPECIFIED": "the page that covers the offset is not known",
}

_NO_MODULE = "no tier has the module"
_FAILED = {ModuleOutcome.MISSING, ModuleOutcome.UNAVAILABLE, ModuleOutcome.MALFORMED}


def parse_offset(text: str) -> int:
    """Return a module offset, hex with 0x, else decimal; raise argparse's error."""
    try:
        offset = int(text, 16 if text[:2].lower() == "0x" else 10)
    except ValueError:
        offset = -1
    if not 0 <= offset < 2**64:
        raise argparse.ArgumentTypeError(f"{text!r} is not a module offset")
    return offset


def explain(client: Client, options: argparse.Namespace) -> int:
    """Print the explanation."""
    module = read_module(options)
    found = client.explain_frame(
        module.debug_file,
        module.debug_id,
        options.offset,
        code_id=module.code_id,
        is_return_address=options.return_address,
        ranges_around=options.ranges,
        with_linkage_names=options.linkage_names,
    )
    if options.json:
        print(write_json(found))
        return SUCCESS
    _print_answer(found)
    _print_tiers(found)
    _print_ranges(found)
    _print_suppliers(found)
    for warning in found.warnings:
        print(f"warning: {warning}")
    return SUCCESS


def _print_answer(found: Explanation) -> None:
    detail = f": {found.module.detail}" if found.module.detail else ""
    print(f"module: {write_fact(found.module.outcome)}{detail}")
    print(f"looked up: {hex(found.looked_up_offset)}")
    indent = "answer: "
    for line in write_calls(found.frame, TextStyle()):
        print(f"{indent}{line}")
        indent = "        "
    why = _VERDICTS[found.public_symbol_verdict.name]
    print(f"why: {_NO_MODULE if found.held is None else why}")
    if (symbol := found.deciding_symbol) is not None:
        end = "the end of its page" if symbol.end is None else hex(symbol.end)
        name = make_printable(symbol.name)
        print(f"decided by: {write_fact(symbol.kind)} {name}, {hex(symbol.start)} to {end}")
    if found.held is not None:
        print(f"file: {_describe_file(found.held)}")
        skipped = ", ".join(f"{n:,} {kind}" for kind, n in found.held.skipped_records.items())
        print(f"skipped records: {skipped or 'none'}")


def _describe_file(held: HeldModule) -> str:
    """Return the format of a module's file and what it had."""
    content = "" if held.has_debug_info else ", only a symbol table"
    return "; ".join((f"{held.format}{content}", *map(make_printable, held.notes)))


def _print_tiers(found: Explanation) -> None:
    rows = [
        (
            write_fact(tier.tier),
            write_fact(tier.has_directory),
            write_fact(tier.has_answer),
            write_bytes(tier.bytes) if tier.bytes else "",
            "" if tier.seconds is None else f"{1e3 * tier.seconds:,.2f}",
            tier.generation,
            tier.detail,
        )
        for tier in found.tiers
    ]
    if rows:
        print()
        headings = ("tier", "directory", "answer", "size", "ms", "generation", "detail")
        show_table(headings, rows)


def _print_ranges(found: Explanation) -> None:
    if (page := found.page) is None:
        return
    end = "the end" if page.end_offset is None else hex(page.end_offset)
    print(f"\npage {page.number}: {hex(page.first_offset)} to {end}, {page.key}")
    if found.ranges:
        rows = [_describe_range(part) for part in found.ranges]
        show_table(("", "from", "to", "symbol", "source", "inlines"), rows)


def _describe_range(part: ExplainedRange) -> tuple[str, ...]:
    source = "" if part.file is None else f"{part.file}:{part.line or '?'}"
    return (
        ">" if part.is_hit else "",
        hex(part.first_offset),
        "" if part.end_offset is None else hex(part.end_offset),
        make_printable(part.function) or "nothing",
        make_printable(source),
        write_fact(len(part.inlines)),
    )


def _print_suppliers(found: Explanation) -> None:
    if (suppliers := found.suppliers) is None:
        return
    print(
        f"\nsuppliers, last request at {write_fact(suppliers.ended_at) or 'an unknown time'}"
        f"{_describe_next(found.module)}"
    )
    rows = [_describe_attempt(attempt) for attempt in suppliers.attempts]
    if rows:
        show_table(("supplier", "file", "outcome", "s", "sent", "detail"), rows)


def _describe_next(result: ModuleResult) -> str:
    """Return when suppliers may be asked again, if a failure is remembered."""
    seconds = result.retry_after_seconds
    if result.outcome not in _FAILED or seconds is None:
        return ""
    return f"; asked again in {seconds:,.0f} s at the earliest"


def _describe_attempt(attempt: SupplierAttempt) -> tuple[str, ...]:
    """Return the row of a request, or of a supplier of which nothing was requested."""
    outcome = write_fact(attempt.outcome)
    if not attempt.path:
        return attempt.supplier, "nothing requested", outcome, "", "", attempt.detail
    return (
        attempt.supplier,
        make_printable(attempt.path),
        outcome,
        "" if attempt.seconds is None else f"{attempt.seconds:,.3f}",
        write_bytes(attempt.fetched_bytes),
        attempt.detail,
    )


def _add_frame(parser: argparse.ArgumentParser) -> None:
    add_module(parser)
    parser.add_argument(
        "offset", type=parse_offset, metavar="OFFSET", help="such as 0x1a2f, or 6703"
    )
    parser.add_argument(
        "--return-address",
        action="store_true",
        help="the offset is a return address: it is looked up one byte before",
    )
    parser.add_argument(
        "--ranges", type=int, default=0, metavar="N", help="ranges on either side (default: 3)"
    )
    parser.add_argument(
        "--linkage-names",
        action="store_true",
        help="explain the answer with linkage names, known once one was requested",
    )


COMMAND = Command(
    "explain",
    "show everything that leads to the answer for one frame",
    "Shows what each tier has, the page and the ranges around the offset, how the symbol was "
    "chosen, and which suppliers were asked last. Starts no ingest.",
    explain,
    _add_frame,
)
