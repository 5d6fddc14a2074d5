"""`symbolon module`, `info` and `health`: what a server says of itself and of modules."""

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from symbolon.client import Client
from symbolon.command_line.exit_codes import SERVER_TROUBLE, SUCCESS
from symbolon.errors import InvalidRequestError


def add_module(commands: Any) -> argparse.ArgumentParser:
    """Add `module`; `commands` is argparse's action, whose type has no public name."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "module",
        help="tell what is known of a module",
        description="Tells what the servers know of a module. Starts no work.",
    )
    parser.set_defaults(command=show_module)
    parser.add_argument("module", metavar="DEBUG_FILE/DEBUG_ID", help="such as xul.pdb/44E4...C2")
    return parser


def add_info(commands: Any) -> argparse.ArgumentParser:
    """Add `info`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "info",
        help="tell how the Redis servers and the server's memory are doing",
        description="Tells how both Redis servers and the server's own memory are doing.",
    )
    parser.set_defaults(command=show_info)
    return parser


def add_health(commands: Any) -> argparse.ArgumentParser:
    """Add `health`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "health",
        help="tell whether the server serves",
        description="Tells whether the server serves; exits with 1 if it does not.",
    )
    parser.set_defaults(command=show_health)
    parser.add_argument(
        "--service",
        default="",
        help="one service, such as symbolon.v1.SymbolicationService (default: the whole server)",
    )
    return parser


def show_module(client: Client, options: argparse.Namespace) -> int:
    """Print what is known of the module."""
    debug_file, slash, debug_id = options.module.rpartition("/")
    if not slash:
        raise InvalidRequestError(f"{options.module} is not DEBUG_FILE/DEBUG_ID")
    _print(client.get_module(debug_file, debug_id))
    return SUCCESS


def show_info(client: Client, options: argparse.Namespace) -> int:  # noqa: ARG001 - as all commands
    """Print the state of the servers behind the server."""
    _print(client.get_store_info())
    return SUCCESS


def show_health(client: Client, options: argparse.Namespace) -> int:
    """Print whether the server serves."""
    is_serving = client.is_serving(options.service)
    print("serving" if is_serving else "not serving")
    return SUCCESS if is_serving else SERVER_TROUBLE


def _print(value: object) -> None:
    sys.stdout.writelines(f"{line}\n" for line in write_facts(value))


def write_facts(value: object, indent: str = "") -> Iterator[str]:
    """Yield one line for each thing that is known, nested values indented below their name."""
    for name, content in _read_facts(value):
        label = f"{indent}{name.replace('_', ' ')}"
        if content is None or content in ("", (), {}):
            continue
        if _is_nested(content):
            yield f"{label}:"
            yield from write_facts(content, indent + "  ")
        else:
            yield f"{label}: {_write_value(content)}"


def _read_facts(value: object) -> Iterator[tuple[str, Any]]:
    if is_dataclass(value):
        yield from ((field.name, getattr(value, field.name)) for field in fields(value))
    elif isinstance(value, Mapping):
        yield from ((str(key), content) for key, content in value.items())
    elif isinstance(value, tuple):
        yield from ((str(position), content) for position, content in enumerate(value, 1))


def _is_nested(value: object) -> bool:
    return is_dataclass(value) or isinstance(value, Mapping | tuple)


def _write_value(value: object) -> str:
    match value:
        case Enum():
            return value.name.lower().replace("_", " ")
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.3f}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S} UTC"
        case _:
            return str(value)
