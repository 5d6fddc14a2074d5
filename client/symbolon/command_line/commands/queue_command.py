"""`symbolon queue`: what waits to be ingested, and what workers do."""

import argparse
from typing import Any

from symbolon.client import Client
from symbolon.command_line.commands.module_commands import name_module
from symbolon.command_line.exit_codes import SUCCESS
from symbolon.command_line.parsers import add_json, add_parser
from symbolon.command_line.showing.facts import write_fact
from symbolon.command_line.showing.tables import show_table
from symbolon.command_line.showing.values import write_json
from symbolon.results import Queue


def add_queue(commands: Any) -> argparse.ArgumentParser:
    """Add `queue`."""
    parser = add_parser(
        commands,
        "queue",
        "tell what waits to be ingested and what workers do",
        "Tells how many modules wait to be ingested, how long the first ones have waited, and "
        "which worker has which module.",
        show_queue,
    )
    add_json(parser)
    return parser


def show_queue(client: Client, options: argparse.Namespace) -> int:
    """Print what is on the queue."""
    queue = client.get_queue()
    print(write_json(queue)) if options.json else print_queue(queue)
    return SUCCESS


def print_queue(queue: Queue) -> None:
    """Print what an operator wants to see: what waits, then who does what."""
    print(
        f"in line: {queue.awaited:,} awaited, {queue.wanted:,} wanted, "
        f"{queue.prefetches:,} prefetches{_describe_wait(queue.longest_wait_seconds)}"
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


def _describe_wait(seconds: float | None) -> str:
    return "" if seconds is None else f"; the longest wait is {seconds:,.1f} s"
