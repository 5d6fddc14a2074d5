"""`symbolon module`, `prefetch`, `invalidate` and `missing`: what operators do with modules."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from symbolon.client import Client
from symbolon.command_line.exit_codes import SUCCESS
from symbolon.command_line.parsers import add_json, add_parser
from symbolon.command_line.reading.module_names import add_modules, cut, parse_module, read_modules
from symbolon.command_line.showing.facts import write_fact, write_facts
from symbolon.command_line.showing.tables import show_table
from symbolon.command_line.showing.values import make_plain, write_json
from symbolon.reports import Module
from symbolon.results import ModuleInfo, ModuleOutcome, ModuleResult


def add_module(commands: Any) -> argparse.ArgumentParser:
    """Add `module`."""
    parser = add_parser(
        commands,
        "module",
        "tell what is known of a module",
        "Tells what the servers know of a module. Starts no work.",
        show_module,
    )
    parser.add_argument("module", metavar="DEBUG_FILE/DEBUG_ID", help="such as xul.pdb/44E4...C2")
    add_json(parser)
    return parser


def add_prefetch(commands: Any) -> argparse.ArgumentParser:
    """Add `prefetch`."""
    parser = add_parser(
        commands,
        "prefetch",
        "fetch modules before anybody asks for them",
        "Puts modules on the queue, behind those that somebody waits for.",
        prefetch,
    )
    add_modules(parser)
    add_json(parser)
    return parser


def add_invalidate(commands: Any) -> argparse.ArgumentParser:
    """Add `invalidate`."""
    parser = add_parser(
        commands,
        "invalidate",
        "forget modules, on all servers",
        "Forgets all that is known of modules, on all servers within a second: for when better "
        "symbol files were uploaded.",
        invalidate,
    )
    add_modules(parser)
    add_json(parser)
    return parser


def add_missing(commands: Any) -> argparse.ArgumentParser:
    """Add `missing`."""
    parser = add_parser(
        commands,
        "missing",
        "list modules that were asked for and that nobody has",
        "Lists the modules whose symbol files to look for, those asked for most often first.",
        show_missing,
    )
    parser.add_argument(
        "--limit", type=int, default=0, metavar="N", help="list at most N (default: 100)"
    )
    add_json(parser)
    return parser


def show_module(client: Client, options: argparse.Namespace) -> int:
    """Print what is known of the module."""
    module = parse_module(options.module)
    info = client.get_module(module.debug_file, module.debug_id)
    lines = [write_json(info)] if options.json else _write_info(info)
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return SUCCESS


def _write_info(info: ModuleInfo) -> Iterator[str]:
    """Yield the lines that tell of one module."""
    yield f"outcome: {_name_outcome(info.outcome)}"
    facts = {field.name: getattr(info, field.name) for field in fields(info)}
    del facts["outcome"]
    yield from write_facts(facts)


def _name_outcome(outcome: ModuleOutcome) -> str:
    """Return what a module is that was asked for by itself: no frame was to name it."""
    return "unknown" if outcome is ModuleOutcome.NOT_REFERENCED else write_fact(outcome)


def prefetch(client: Client, options: argparse.Namespace) -> int:
    """Print what became of each module."""
    modules = read_modules(options)
    results = [result for some in cut(modules) for result in client.prefetch_modules(some)]
    if options.json:
        print_json(modules, [make_plain(result) for result in results])
        return SUCCESS
    _show_results(modules, results)
    return SUCCESS


def invalidate(client: Client, options: argparse.Namespace) -> int:
    """Print what each module was before."""
    modules = read_modules(options)
    before = [outcome for some in cut(modules) for outcome in client.invalidate_modules(some)]
    if options.json:
        plain = [{"previous_outcome": make_plain(outcome)} for outcome in before]
        print_json(modules, plain)
        return SUCCESS
    rows = [
        (name_module(module), _name_outcome(outcome))
        for module, outcome in zip(modules, before, strict=True)
    ]
    show_table(("module", "was"), rows)
    return SUCCESS


def show_missing(client: Client, options: argparse.Namespace) -> int:
    """Print the modules that nobody has."""
    missing = client.list_missing_modules(options.limit)
    if options.json:
        print(write_json(missing))
        return SUCCESS
    rows = [
        (
            name_module(one.module),
            write_fact(one.requests),
            write_fact(one.first_seen),
            write_fact(one.last_seen),
        )
        for one in missing.modules
    ]
    if rows:
        show_table(("module", "requests", "first seen", "last seen"), rows)
    print(f"{len(rows):,} of {missing.total:,} missing modules")
    return SUCCESS


def print_json(modules: Sequence[Module], facts: Sequence[dict[str, Any]]) -> None:
    """Print a list with an entry for each module."""
    entries = [
        {"module": make_plain(module)} | fact for module, fact in zip(modules, facts, strict=True)
    ]
    print(write_json(entries))


def _show_results(modules: Sequence[Module], results: Sequence[ModuleResult]) -> None:
    rows = [
        (name_module(module), write_fact(result.outcome), result.detail)
        for module, result in zip(modules, results, strict=True)
    ]
    show_table(("module", "outcome", "detail"), rows)
    counts = Counter(write_fact(result.outcome) for result in results)
    print(", ".join(f"{count:,} {outcome}" for outcome, count in counts.most_common()))


def name_module(module: Module) -> str:
    """Return a module as people write it."""
    return f"{module.debug_file}/{module.debug_id}"
