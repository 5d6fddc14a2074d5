"""The flags of `symbolon symbolicate`, which `symbolon-server symbolicate` has, too."""

import argparse
from collections.abc import Callable
from pathlib import Path

from symbolon.command_line.parsers import parse_wait

REMEMBER_SECONDS = 60.0
"""Modules can be invalidated during a run, but rarely are within a minute."""

AddFlags = Callable[["argparse._ArgumentGroup"], None]  # noqa: SLF001 # it has no public name


def add_flags(
    parser: argparse.ArgumentParser, *, longest_wait: str, add_sharing: AddFlags | None = None
) -> None:
    """Add them, and those of `add_sharing`; `longest_wait` says how long a call waits at most."""
    parser.add_argument(
        "file", metavar="FILE", nargs="?", default="-", help="the reports; - reads standard input"
    )
    _add_forms(parser, add_sharing)
    _add_lookup(parser, longest_wait)


def _add_forms(parser: argparse.ArgumentParser, add_sharing: AddFlags | None) -> None:
    group = parser.add_argument_group("input and output")
    group.add_argument(
        "--format",
        choices=("json", "v5", "v4", "text"),
        default="json",
        help="JSON of the version of the input, JSON of one version, or text for people "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--json", action="store_const", const="json", dest="format", help="as --format json"
    )
    group.add_argument(
        "--lines", action="store_true", help="each line is a report, even if there is only one"
    )
    group.add_argument(
        "--output",
        type=Path,
        metavar="OUT",
        help="append one line of JSON to this file for each line of the input, skipping as many "
        "lines of the input as the file already has",
    )
    if add_sharing is not None:
        add_sharing(group)
    group.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        help="show progress on standard error (default: on a terminal)",
    )
    group.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="colours of --format text (default: on a terminal)",
    )
    group.add_argument(
        "--full-paths", action="store_true", help="print source files as the symbol file has them"
    )


def _add_lookup(parser: argparse.ArgumentParser, longest_wait: str) -> None:
    group = parser.add_argument_group("lookup")
    group.add_argument(
        "--max-wait",
        type=parse_wait,
        metavar="SECONDS",
        help="how long to wait for modules that are not ready; 0 answers at once "
        f"(default: {longest_wait})",
    )
    group.add_argument(
        "--remember",
        type=parse_wait,
        default=REMEMBER_SECONDS,
        metavar="SECONDS",
        help="how long to remember frames of modules that were found, instead of requesting them "
        "for each report; 0 requests every frame (default: %(default)s)",
    )
    group.add_argument(
        "--return-addresses",
        action="store_true",
        help="the offsets of all frames but the innermost are return addresses, "
        "to be looked up one byte before",
    )
    group.add_argument(
        "--linkage-names",
        action="store_true",
        help="add the names that the modules' files have, such as mangled ones; the first time, "
        "modules are ingested once more for that",
    )
    group.add_argument(
        "--strict",
        action="store_true",
        help="reject a report with an invalid module or frame, or with a path, as Eliot does "
        "(default: answer the rest, and list what was not looked up in 'errors')",
    )
    group.add_argument(
        "--debug", action="store_true", help="add 'debug' to version 5: lookups, fetches, times"
    )
