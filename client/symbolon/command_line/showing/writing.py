"""Writes answered documents: JSON of either version, or text."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable

from symbolon._answer_text import write_document
from symbolon._tecken.answers import write_response
from symbolon._tecken.debug import count_debug
from symbolon.client import Client
from symbolon.command_line.reading.report_lines import Answered
from symbolon.text import TextStyle, choose_colors

Write = Callable[[Answered], bytes]
"""Returns the text of a document, without its last newline."""


def choose_writer(client: Client, options: argparse.Namespace, *, are_lines: bool) -> Write:
    """Return the writer that the flags ask for; with `are_lines` each document is one line."""
    if options.format == "text":
        style = TextStyle(choose_colors(options.color), full_paths=options.full_paths)
        return lambda answered: write_text(answered, style, is_line=are_lines).encode()
    is_indented = options.output is None and sys.stdout.isatty()

    def write(answered: Answered) -> bytes:
        line = write_json(client, answered, options)
        return json.dumps(json.loads(line), indent=2).encode() if is_indented else line

    return write


def write_json(client: Client, answered: Answered, options: argparse.Namespace) -> bytes:
    """Return a response, or the error as JSON."""
    request = answered.request
    if request is None or answered.error is not None:
        return json.dumps({"error": str(answered.error)}).encode()
    extras = {}
    if options.debug:
        extras["debug"] = count_debug(client, request, answered.answers)
    return write_response(request, answered.answers, extras)


def write_text(answered: Answered, style: TextStyle, *, is_line: bool) -> str:
    """Return each report's stacks, with headings if there are several reports."""
    request = answered.request
    if request is None or answered.error is not None:
        return f"Report {answered.number}: {answered.error}\n"
    line = answered.number if is_line else None
    return write_document(request.jobs, answered.answers, style, line=line)
