"""`symbolon module`, `prefetch`, `invalidate`, `missing` and `queue`: modules, for operators."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from symbolon._plain_values import make_plain
from symbolon.client import Client
from symbolon.command_line.parsers import SUCCESS, Command
from symbolon.command_line.reading.module_names import (
    add_module,
    add_modules,
    cut,
    read_module,
    read_modules,
)
from symbolon.command_line.showing.facts import (
    show_table,
    write_fact,
    write_facts,
    write_json,
)
from symbolon.reports import Module
from symbolon.results import ModuleInfo, ModuleOutcome
from symbolon.text import name_module


def show_module(client: Client, options: argparse.Namespace) -> int:
    """Print what is known of the module."""
    module = read_module(options)
    info = client.get_module(module.debug_file, module.debug_id, code_id=module.code_id)
    lines = [write_json(info)] if options.json else _write_info(info)
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return SUCCESS


def _write_info(info: ModuleInfo) -> Iterator[str]:
    yield f"outcome: {_name_outcome(info.outcome)}"
    facts = {field.name: getattr(info, field.name) for field in fields(info)}
    del facts["outcome"]
    yield from write_facts(facts)


def _name_outcome(outcome: ModuleOutcome) -> str:
    """Return the name of an outcome; here no frame could have referred to the module."""
    return "unknown" if outcome is ModuleOutcome.NOT_REFERENCED else write_fact(outcome)


def prefetch(client: Client, options: argparse.Namespace) -> int:
    """Print the result for each module."""
    modules = read_modules(options)
    results = [result for some in cut(modules) for result in client.prefetch_modules(some)]
    if options.json:
        _print_json(modules, [make_plain(result) for result in results])
        return SUCCESS
    rows = [
        (name_module(module), write_fact(result.outcome), result.detail)
        for module, result in zip(modules, results, strict=True)
    ]
    show_table(("module", "outcome", "detail"), rows)
    counts = Counter(write_fact(result.outcome) for result in results)
    print(", ".join(f"{count:,} {outcome}" for outcome, count in counts.most_common()))
    return SUCCESS


def invalidate(client: Client, options: argparse.Namespace) -> int:
    """Print the previous outcome of each module."""
    modules = read_modules(options)
    before = [outcome for some in cut(modules) for outcome in client.invalidate_modules(some)]
    if options.json:
        _print_json(modules, [{"previous_outcome": make_plain(outcome)} for outcome in before])
        return SUCCESS
    rows = [
        (name_module(module), _name_outcome(outcome))
        for module, outcome in zip(modules, before, strict=True)
    ]
    show_table(("module", "was"), rows)
    return SUCCESS


def show_missing(client: Client, options: argparse.Namespace) -> int:
    """Print the modules that no supplier has."""
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


def show_queue(client: Client, options: argparse.Namespace) -> int:
    """Print what waits in the queue, then which worker ingests what."""
    queue = client.get_queue()
    if options.json:
        print(write_json(queue))
        return SUCCESS
    wait = queue.longest_wait_seconds
    print(
        f"in line: {queue.awaited:,} awaited, {queue.wanted:,} wanted, "
        f"{queue.prefetches:,} prefetches"
        + ("" if wait is None else f"; the longest wait is {wait:,.1f} s")
    )
    rows = [
        (
            name_module(ingest.module),
            ingest.worker,
            "" if ingest.seconds is None else f"{ingest.seconds:,.1f}",
            write_fact(ingest.attempts),
            ingest.caller,
        )
        for ingest in queue.running
    ]
    if rows:
        show_table(("module", "worker", "seconds", "attempts", "caller"), rows)
    print(f"{len(rows):,} of {queue.total_running:,} running ingests")
    return SUCCESS


def _print_json(modules: Sequence[Module], facts: Sequence[dict[str, Any]]) -> None:
    """Print a list with an entry for each module."""
    entries = [
        {"module": make_plain(module)} | fact for module, fact in zip(modules, facts, strict=True)
    ]
    print(write_json(entries))


def _add_limit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--limit", type=int, default=0, metavar="N", help="list at most N (default: 100)"
    )


COMMANDS = (
    Command(
        "module",
        "show what is known of a module",
        "Shows what the servers know of a module. Starts no ingest.",
        show_module,
        add_module,
    ),
    Command(
        "prefetch",
        "ingest modules before they are requested",
        "Queues modules for ingest, behind those that calls wait for.",
        prefetch,
        add_modules,
    ),
    Command(
        "invalidate",
        "invalidate modules on all servers",
        "Discards everything known of modules, on all servers within a second. Use it after better "
        "files were uploaded.",
        invalidate,
        add_modules,
    ),
    Command(
        "missing",
        "list modules that were requested and no supplier has",
        "Lists the modules that no supplier has, most requested first.",
        show_missing,
        _add_limit,
    ),
    Command(
        "queue",
        "show the ingest queue and the workers",
        "Shows how many modules wait for ingest, the longest wait, and which worker ingests which "
        "module.",
        show_queue,
    ),
)
